using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests;

/// <summary>Models of three small blocks with random weights, one of every family: every branch of the forward pass in milliseconds.</summary>
internal static class SmallModels
{
    private static readonly ViTArchitecture Plain = new()
    {
        Depth = 3, EmbedDim = 16, Heads = 4, HeadDim = 4, MlpDim = 24, PatchSize = 4, ImageSize = 16, Classes = 3,
    };

    private static readonly ViTArchitecture DinoV3 = Plain with
    {
        Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5,
    };

    private static readonly Dictionary<string, ViTArchitecture> ByFamily = new()
    {
        ["vit"] = Plain,
        ["deit distilled"] = Plain with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["deit with one classifier"] = Plain with { HasDistillationToken = true },
        ["norm after pooling"] = Plain with { Pooling = Pooling.AveragePatches, NormAfterPool = true },
        ["deit3"] = Plain with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["siglip2"] = Plain with { Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention },
        ["dinov2"] = Plain with { Classes = 0, RegisterTokens = 2, Position = PositionEmbedding.ClassAndPatches, HasLayerScale = true },
        ["dinov3"] = DinoV3,
        ["dinov3 swiglu"] = DinoV3 with { Mlp = MlpKind.SwiGlu },
        ["clip"] = Plain with { Classes = 0, HasPreNorm = true, HasPatchBias = false, Activation = Activation.QuickGelu, ProjectionDim = 6 },
    };

    public static TheoryData<string> Families => [.. ByFamily.Keys];

    /// <summary>The plain Vision Transformer: 3 classes, images of 16 pixels.</summary>
    public static ViTArchitecture Vit => Architecture("vit");

    public static ViTArchitecture Architecture(string family) => ByFamily[family].Validated();

    /// <summary>Widths that differ from block to block, one of them without heads and one without neurons.</summary>
    public static SubnetWidths Uneven(ViTArchitecture architecture) =>
        Widths((architecture.Heads, 5), (0, architecture.MlpDim), (1, 0)).In(architecture);

    /// <summary>Widths as heads and neurons.</summary>
    public static SubnetWidths Widths(params (int Heads, int Neurons)[] blocks) =>
        new(blocks.Select(block => new BlockWidths { [Axis.Heads] = block.Heads, [Axis.Neurons] = block.Neurons }));

    /// <summary>The same in a model: whole on every axis that is not written.</summary>
    public static SubnetWidths In(this SubnetWidths widths, ViTArchitecture architecture) => new(widths.Select(
        block => architecture.FullBlock.With(Axis.Heads, block[Axis.Heads]).With(Axis.Neurons, block[Axis.Neurons])));

    public static VisionTransformer Create(ViTArchitecture architecture, SubnetWidths? widths = null, ulong seed = 1)
    {
        SubnetWidths kept = widths ?? architecture.FullWidths;
        SeededRandom random = new(seed);
        return new VisionTransformer(new ViTWeights(architecture, kept, ParameterTable.For(architecture, kept).Select(parameter =>
            KeyValuePair.Create(parameter.Name, Weight(parameter, [.. parameter.ModelShape], random)))));
    }

    /// <summary>Scores of which no two are alike.</summary>
    public static ImportanceScores Scores(ViTArchitecture architecture, ulong seed = 2)
    {
        SeededRandom random = new(seed);
        return new ImportanceScores(Uniform(random, architecture.Depth, architecture.MlpDim), Uniform(random, architecture.Depth, architecture.Heads));
    }

    /// <summary>Normalised images, float32 [count, 3, S, S].</summary>
    public static Tensor Images(ViTArchitecture architecture, int count, ulong seed = 3)
    {
        SeededRandom random = new(seed);
        long[] shape = [count, architecture.Channels, architecture.ImageSize, architecture.ImageSize];
        return tensor(Normal(random, shape), shape);
    }

    public static ModelConfig Config(VisionTransformer model) => ModelConfig.Of(model.Architecture, model.Widths, model.Weights.RotaryPairs) with
    {
        Preprocessing = Preprocessing.ForCrop(model.Architecture.ImageSize, 1),
    };

    /// <summary>Writes a random model with its config and gives the path.</summary>
    public static string Save(string path, ViTArchitecture architecture, SubnetWidths? widths = null, ulong seed = 1)
    {
        using VisionTransformer model = Create(architecture, widths, seed);
        ModelFile.Save(path, model, Config(model));
        return path;
    }

    private static Tensor Weight(ParameterSpec parameter, long[] shape, SeededRandom random)
    {
        bool scale = (parameter.Name.Contains("norm", StringComparison.Ordinal) && parameter.Name.EndsWith(".weight", StringComparison.Ordinal))
            || parameter.Name.EndsWith(".gamma", StringComparison.Ordinal);
        float[] values = Normal(random, shape);

        // A tensor of an array lies in the array's memory, aligned to 8 bytes; matrix kernels round in another order there than in torch's own.
        using Tensor inArray = tensor([.. values.Select(value => (scale ? 1 : 0) + (0.3f * value))], shape);
        return inArray.clone();
    }

    private static float[] Normal(SeededRandom random, long[] shape) =>
        [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, side) => product * side)).Select(_ => (float)random.NextNormal())];

    private static double[,] Uniform(SeededRandom random, int blocks, int structures)
    {
        double[,] scores = new double[blocks, structures];
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i / structures, i % structures] = random.NextDouble();
        }

        return scores;
    }
}
