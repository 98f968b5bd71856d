using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Cli.Roofline;

/// <summary>Models, images and scores of the right shapes with random contents: speed does not depend on what is in them.</summary>
internal static class RandomModel
{
    private const int HeadDim = 64;

    public static ViTArchitecture Tiny { get; } = Of(192);

    public static ViTArchitecture Small { get; } = Of(384);

    public static ViTArchitecture Base { get; } = Of(768);

    public static ViTArchitecture Large { get; } = Of(1024, depth: 24);

    /// <summary>Precisions and how tables call them.</summary>
    public static IReadOnlyList<(ScalarType Type, string Name)> Precisions { get; } =
        [(ScalarType.BFloat16, "bf16"), (ScalarType.Float32, "fp32")];

    /// <summary>A plain model of patch 16 and 224 pixels with heads of 64 dimensions.</summary>
    /// <param name="width">Embed dim, a multiple of 64.</param>
    /// <param name="depth">Blocks.</param>
    public static ViTArchitecture Of(int width, int depth = 12) => new ViTArchitecture
    {
        Depth = depth, EmbedDim = width, Heads = width / HeadDim, HeadDim = HeadDim, MlpDim = 4 * width, PatchSize = 16, ImageSize = 224,
    }.Validated();

    public static VisionTransformer Create(ViTArchitecture architecture, ScalarType precision, Device device)
    {
        SubnetWidths widths = architecture.FullWidths;
        using ViTWeights weights = new(architecture, widths, ParameterTable.For(architecture, widths).Select((parameter, index) =>
            KeyValuePair.Create(parameter.Name, Weight(parameter, [.. parameter.ModelShape], (ulong)index))));
        return new VisionTransformer(weights.To(precision, device));
    }

    /// <summary>Normalised images, float32 [.. , 3, S, S].</summary>
    public static Tensor Images(ViTArchitecture architecture, Device device, params long[] count) =>
        Normal([.. count, architecture.Channels, architecture.ImageSize, architecture.ImageSize], seed: 4, device);

    public static ImportanceScores Scores(ViTArchitecture architecture)
    {
        SeededRandom random = new(5);
        return new ImportanceScores(
            Uniform(random, architecture.Depth, architecture.MlpDim), Uniform(random, architecture.Depth, architecture.Heads));
    }

    /// <summary>The same numbers on every device.</summary>
    public static Tensor Normal(long[] shape, ulong seed, Device device)
    {
        using Generator generator = new(seed);
        using Tensor normal = randn(shape, generator: generator);
        return normal.to(device, copy: true);
    }

    /// <summary>Random numbers; norms as if they had never been trained, so that activations stay finite.</summary>
    private static Tensor Weight(ParameterSpec parameter, long[] shape, ulong seed)
    {
        using Tensor normal = Normal(shape, seed, CPU);
        using DisposeScope scope = NewDisposeScope();
        Tensor small = normal.Times(0.02);
        return (parameter.Role == ParameterRole.NormWeight ? small.Plus(1) : small).MoveToOuterDisposeScope();
    }

    private static double[,] Uniform(SeededRandom random, int blocks, int structures)
    {
        double[,] scores = new double[blocks, structures];
        for (int block = 0; block < blocks; block++)
        {
            for (int i = 0; i < structures; i++)
            {
                scores[block, i] = random.NextDouble();
            }
        }

        return scores;
    }
}
