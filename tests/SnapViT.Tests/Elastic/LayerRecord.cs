using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

/// <summary>Inputs and outputs of the layers of one forward pass, as plain arrays.</summary>
internal sealed class LayerRecord : IForwardHook
{
    private readonly Dictionary<(int Block, BlockLinear Layer, bool Output), double[][][]> _rows = [];

    public static LayerRecord Of(VisionTransformer model, Tensor images)
    {
        LayerRecord record = new();
        using IDisposable frozen = no_grad();
        using Tensor tokens = model.Tokens(images, record);
        return record;
    }

    /// <summary>Image by image, token by token.</summary>
    public double[][][] Rows(int block, BlockLinear layer, bool output) => _rows[(block, layer, output)];

    public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
    {
        _rows[(block, layer, false)] = Arrays(input);
        _rows[(block, layer, true)] = Arrays(output);
    }

    private static double[][][] Arrays(Tensor tensor)
    {
        using Tensor doubles = tensor.to(ScalarType.Float64).contiguous();
        double[] values = doubles.data<double>().ToArray();
        (int images, int tokens, int width) = ((int)tensor.shape[0], (int)tensor.shape[1], (int)(tensor.numel() / (tensor.shape[0] * tensor.shape[1])));
        return [.. Enumerable.Range(0, images).Select(image => Enumerable.Range(0, tokens)
            .Select(token => values[(((image * tokens) + token) * width)..(((image * tokens) + token + 1) * width)]).ToArray())];
    }
}
