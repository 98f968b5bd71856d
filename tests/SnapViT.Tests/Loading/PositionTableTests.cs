using SnapViT.Core.Architecture;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

public sealed class PositionTableTests
{
    private const double CubicA = -0.5;

    // timm/layers/pos_embed.py: resample_abs_pos_embed is torch's bicubic, antialiased interpolation of the grid; computed here a second time, in double.
    [Theory, LeakCheck]
    [InlineData(4, 7, 1)]
    [InlineData(7, 4, 1)]
    [InlineData(6, 3, 2)]
    [InlineData(5, 5, 0)]
    [InlineData(14, 16, 0)]
    [InlineData(3, 2, 5)]
    public void The_grid_is_resampled_by_antialiased_cubic_weights_and_tokens_before_it_stay(int from, int to, int prefix)
    {
        const int Width = 3;
        ViTArchitecture inFile = new()
        {
            Depth = 1, EmbedDim = Width, Heads = 1, HeadDim = Width, MlpDim = 1, PatchSize = 2, ImageSize = 2 * from, HasClassToken = prefix > 0, RegisterTokens = Math.Max(0, prefix - 1),
        };
        float[] values = [.. Enumerable.Range(0, (prefix + (from * from)) * Width).Select(i => MathF.Sin(i * 1.7f) + (i % 5))];
        using Tensor table = tensor(values, [1, prefix + (from * from), Width]);
        using Tensor resampled = PositionTable.Resample(table, inFile, to);
        Assert.Equal([1, prefix + (to * to), Width], resampled.shape);
        float[] found = resampled.data<float>().ToArray();
        Assert.Equal(values[..(prefix * Width)], found[..(prefix * Width)]);
        for (int y = 0; y < to; y++)
        {
            for (int x = 0; x < to; x++)
            {
                for (int channel = 0; channel < Width; channel++)
                {
                    double expected = Weights(from, to, y).Sum(row => row.Weight * Weights(from, to, x).Sum(column =>
                        column.Weight * values[((prefix + (row.Index * from) + column.Index) * Width) + channel]));
                    Assert.Equal(expected, found[((prefix + (y * to) + x) * Width) + channel], 1e-5);
                }
            }
        }
    }

    [Fact, LeakCheck]
    public void Constant_positions_stay_constant()
    {
        ViTArchitecture inFile = new() { Depth = 1, EmbedDim = 2, Heads = 1, HeadDim = 2, MlpDim = 1, PatchSize = 1, ImageSize = 6 };
        using Tensor constant = full([1, 37, 2], 0.75f);
        using Tensor resampled = PositionTable.Resample(constant, inFile, 11);
        Assert.All(resampled.data<float>().ToArray(), value => Assert.Equal(0.75f, value, 1e-6f));
    }

    [Theory, LeakCheck]
    [InlineData("timm_vit", 48)]
    [InlineData("deit_distilled", 24)]
    [InlineData("deit3", 48)]
    [InlineData("siglip2", 64)]
    [InlineData("dinov3_mlp", 56)]
    public void A_model_is_loaded_for_another_image_size_and_runs_there(string family, int side)
    {
        using LoadedModel loaded = ModelFile.Load(SharedFolder.Require("golden", family, "model.safetensors"), Golden.Hints(family) with { ImageSize = side });
        using var scope = NewDisposeScope();
        Tensor features = loaded.Model.Embed(zeros(2, 3, side, side));
        Assert.Equal([2, 48], features.shape);
        Assert.True(features.isfinite().all().item<bool>());
        Assert.Contains(loaded.Description.Sources, source => source.Source.StartsWith("--image-size", StringComparison.Ordinal));
    }

    [Fact]
    public void A_size_that_is_no_multiple_of_the_patch_is_refused() => Assert.Contains(
        "--image-size: expected a multiple of the patch size 8, found 33",
        Assert.Throws<SnapViT.Core.Checkpoints.CheckpointFormatException>(() => ModelFile.Load(SharedFolder.Require("golden", "timm_vit", "model.safetensors"), Golden.Hints("timm_vit") with { ImageSize = 33 })).Message,
        StringComparison.Ordinal);

    /// <summary>torch's antialiased taps of one output: support 2 * max(1, scale) around the centre, weights normalised.</summary>
    private static (int Index, double Weight)[] Weights(int from, int to, int output)
    {
        double scale = (double)from / to, filter = Math.Max(1, scale), centre = scale * (output + 0.5), support = 2 * filter;
        int begin = Math.Max(0, (int)(centre - support + 0.5)), end = Math.Min(from, (int)(centre + support + 0.5));
        double[] weights = [.. Enumerable.Range(begin, end - begin).Select(i => Cubic((i - centre + 0.5) / filter))];
        return [.. weights.Select((weight, i) => (begin + i, weight / weights.Sum()))];
    }

    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        return x < 1 ? (((CubicA + 2) * x) - (CubicA + 3)) * x * x + 1
            : x < 2 ? ((((x - 5) * x) + 8) * x - 4) * CubicA
            : 0;
    }
}
