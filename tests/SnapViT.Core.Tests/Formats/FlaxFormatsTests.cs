using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Core.Tests.Checkpoints;
using SnapViT.Core.Tests.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Formats;

/// <summary>Google's <c>.npz</c> files: the canonical tensors turned the way Flax keeps them, and read back.</summary>
public sealed class FlaxFormatsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("opt/target/")]
    public void Every_tensor_comes_back_and_the_kernels_say_the_heads(string prefix)
    {
        ViTArchitecture a = SmallModel.Architecture("vit");
        IReadOnlyList<TensorToWrite> model = SmallModel.Tensors(a);
        using CanonicalArchive archive = CanonicalArchive.Open(CheckpointArchive.Open(Write(model, a, prefix)));
        Assert.Equal("augreg", archive.StateDictFormat.Name);
        Assert.Equal(a.Heads, archive.Heads);
        Assert.Equal(model.Select(tensor => tensor.Entry.Name).Order(), archive.Tensors.Keys.Order());
        foreach (TensorToWrite tensor in model)
        {
            Assert.Equal(tensor.Entry.Shape, archive.Tensors[tensor.Entry.Name].Shape);
            Assert.Equal(Values(tensor), archive.ReadFloats(tensor.Entry.Name));
        }
    }

    [Fact]
    public void A_representation_layer_leaves_the_classifier_out()
    {
        ViTArchitecture a = SmallModel.Architecture("vit");
        string path = Write(SmallModel.Tensors(a), a, "", ("pre_logits/kernel", [8, 8], new float[64]), ("pre_logits/bias", [8], new float[8]));
        using CanonicalArchive archive = CanonicalArchive.Open(CheckpointArchive.Open(path));
        Assert.Equal(["head/bias", "head/kernel", "pre_logits/bias", "pre_logits/kernel"], archive.UnusedTensors.Order());
        Assert.False(archive.Tensors.ContainsKey("head.weight"));
    }

    private static float[] Values(TensorToWrite tensor)
    {
        using MemoryStream content = new();
        tensor.Write(content);
        float[] values = new float[tensor.Entry.ElementCount];
        Buffer.BlockCopy(content.ToArray(), 0, values, 0, values.Length * sizeof(float));
        return values;
    }

    private string Write(IReadOnlyList<TensorToWrite> model, ViTArchitecture a, string prefix, params (string Name, long[] Shape, float[] Values)[] more)
    {
        IEnumerable<(string Name, long[] Shape, float[] Values)> arrays = model.SelectMany(tensor => Flax(tensor.Entry.Name, [.. tensor.Entry.Shape], Values(tensor), a)).Concat(more);
        return _folder.Put("model.npz", ZipBytes.Of([.. arrays.Select(array =>
            new ZipPart($"{prefix}{array.Name}.npy", NpzReaderTests.Array("<f4", "False", string.Join(", ", array.Shape) + (array.Shape.Length == 1 ? "," : ""), NpzReaderTests.Floats(array.Values))))]));
    }

    private static IEnumerable<(string Name, long[] Shape, float[] Values)> Flax(string name, long[] shape, float[] values, ViTArchitecture a)
    {
        (int heads, int width, int dim) = (a.Heads, a.HeadDim, a.EmbedDim);
        string layer = name.StartsWith("blocks.", StringComparison.Ordinal) ? $"Transformer/encoderblock_{name.Split('.')[1]}/" : "";
        string rest = layer.Length > 0 ? string.Join('.', name.Split('.').Skip(2)) : name;
        string attention = layer + "MultiHeadDotProductAttention_1/";
        string[] parts = ["query", "key", "value"];
        return rest switch
        {
            "cls_token" => [("cls", shape, values)],
            "pos_embed" => [("Transformer/posembed_input/pos_embedding", shape, values)],
            "patch_embed.proj.weight" => [("embedding/kernel", [shape[2], shape[3], shape[1], shape[0]], Moved(values, shape, [2, 3, 1, 0]))],
            "patch_embed.proj.bias" => [("embedding/bias", shape, values)],
            "attn.qkv.weight" => parts.Select((part, i) => ($"{attention}{part}/kernel", new long[] { dim, heads, width }, Moved(values[(i * dim * dim)..((i + 1) * dim * dim)], [dim, dim], [1, 0]))),
            "attn.qkv.bias" => parts.Select((part, i) => ($"{attention}{part}/bias", new long[] { heads, width }, values[(i * dim)..((i + 1) * dim)])),
            "attn.proj.weight" => [(attention + "out/kernel", [heads, width, dim], Moved(values, shape, [1, 0]))],
            "attn.proj.bias" => [(attention + "out/bias", shape, values)],
            "mlp.fc1.weight" => [(layer + "MlpBlock_3/Dense_0/kernel", [shape[1], shape[0]], Moved(values, shape, [1, 0]))],
            "mlp.fc1.bias" => [(layer + "MlpBlock_3/Dense_0/bias", shape, values)],
            "mlp.fc2.weight" => [(layer + "MlpBlock_3/Dense_1/kernel", [shape[1], shape[0]], Moved(values, shape, [1, 0]))],
            "mlp.fc2.bias" => [(layer + "MlpBlock_3/Dense_1/bias", shape, values)],
            "norm1.weight" or "norm1.bias" or "norm2.weight" or "norm2.bias" =>
                [($"{layer}LayerNorm_{(rest[4] == '1' ? 0 : 2)}/{(rest.EndsWith("weight", StringComparison.Ordinal) ? "scale" : "bias")}", shape, values)],
            "norm.weight" => [("Transformer/encoder_norm/scale", shape, values)],
            "norm.bias" => [("Transformer/encoder_norm/bias", shape, values)],
            "head.weight" => [("head/kernel", [shape[1], shape[0]], Moved(values, shape, [1, 0]))],
            _ => [("head/bias", shape, values)],
        };
    }

    /// <summary>The values with their dimensions in another order.</summary>
    private static float[] Moved(float[] values, long[] shape, int[] order)
    {
        long[] strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= shape[i];
        }

        byte[] moved = new byte[values.Length * sizeof(float)];
        StridedGather.Copy(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()), [.. order.Select(i => shape[i])], [.. order.Select(i => strides[i])], sizeof(float), moved);
        return [.. Enumerable.Range(0, values.Length).Select(i => BitConverter.ToSingle(moved, i * sizeof(float)))];
    }
}
