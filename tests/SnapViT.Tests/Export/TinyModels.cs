using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

/// <summary>A random model of every family, small enough for a test, with weights large enough that every branch shows in the output.</summary>
internal static class TinyModels
{
    private static readonly ViTArchitecture Plain = new()
    {
        Depth = 3, EmbedDim = 24, Heads = 3, HeadDim = 8, MlpDim = 40, PatchSize = 8, ImageSize = 32, Classes = 5,
    };

    /// <summary>Family to architecture.</summary>
    public static IReadOnlyDictionary<string, ViTArchitecture> Families { get; } = new Dictionary<string, ViTArchitecture>
    {
        ["vit"] = Plain,
        ["wide"] = Plain with { EmbedDim = 96, HeadDim = 32, MlpDim = 384, Channels = 3 },
        ["no classifier, no qkv bias"] = Plain with { Classes = 0, HasQkvBias = false },
        ["distilled"] = Plain with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["distilled with one classifier"] = Plain with { HasDistillationToken = true },
        ["norm after pooling"] = Plain with { Pooling = Pooling.AveragePatches, NormAfterPool = true },
        ["deit3"] = Plain with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["average of patches"] = Plain with { HasClassToken = false, Pooling = Pooling.AveragePatches },
        ["dinov2"] = Plain with { RegisterTokens = 4, Position = PositionEmbedding.ClassAndPatches, HasLayerScale = true, Classes = 0 },
        ["dinov2 giant"] = Plain with { Mlp = MlpKind.SwiGlu, HasLayerScale = true, Classes = 0 },
        ["dinov3"] = Plain with { RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5, Classes = 0 },
        ["dinov3 huge"] = Plain with { RegisterTokens = 4, Position = PositionEmbedding.Rotary, Mlp = MlpKind.SwiGlu, HasLayerScale = true, Classes = 0 },
        ["siglip"] = Plain with { HasClassToken = false, Pooling = Pooling.Attention, Position = PositionEmbedding.PatchesOnly, Classes = 0 },
        ["siglip giant"] = Plain with { HasClassToken = false, Pooling = Pooling.Attention, Activation = Activation.GeluTanh, Classes = 0 },
        ["clip"] = Plain with { Activation = Activation.QuickGelu, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 12, LayerNormEpsilon = 1e-5, Classes = 0 },
    };

    /// <summary>DeiT-Ti/16 as it is published, 5.7 million parameters, for what only shows in full size.</summary>
    public static ViTArchitecture DeitTiny { get; } = new ViTArchitecture
    {
        Depth = 12, EmbedDim = 192, Heads = 3, HeadDim = 64, MlpDim = 768, PatchSize = 16, ImageSize = 224, Classes = 1000,
    }.Validated();

    /// <summary>Widths that differ per block: a block without heads, one without neurons, one with a part of both.</summary>
    public static SubnetWidths Uneven(ViTArchitecture architecture) => SmallModels.Widths((2, 17), (0, 40), (3, 0)).In(architecture);

    public static SubnetWidths Uneven(string family) => Uneven(Families[family].Validated());

    /// <summary>
    /// Widths that are smaller on every axis: fewer heads and neurons, queries and values of different widths, and tokens merged in the
    /// first blocks, in the last one too where all tokens are pooled. Queries of rotary models keep whole pairs.
    /// </summary>
    public static SubnetWidths EveryAxis(ViTArchitecture architecture)
    {
        int tokens = architecture.Tokens, last = architecture.PooledTokens > 0 ? architecture.PooledTokens : tokens - 11;
        return new SubnetWidths([Block(2, 6, 5, tokens - 5, 17), Block(3, 3, 8, tokens - 9, 40), Block(1, 4, 4, last, 9)]);

        BlockWidths Block(int heads, int queryKeyDims, int valueDims, int left, int neurons) => new()
        {
            [Axis.Heads] = heads,
            [Axis.QueryKeyDims] = architecture.Position == PositionEmbedding.Rotary ? queryKeyDims & ~1 : queryKeyDims,
            [Axis.ValueDims] = valueDims,
            [Axis.Tokens] = left,
            [Axis.Neurons] = neurons,
        };
    }

    public static SubnetWidths EveryAxis(string family) => EveryAxis(Families[family].Validated());

    /// <summary>Widths with tokens merged in a block without heads, and in one that is whole otherwise.</summary>
    public static SubnetWidths MergedWithoutHeads(string family)
    {
        ViTArchitecture a = Families[family].Validated();
        int tokens = a.Tokens, last = a.PooledTokens > 0 ? a.PooledTokens : tokens - 10;
        return a.FullWidths.With(0, Axis.Heads, 0).With(0, Axis.Tokens, tokens - 8).With(1, Axis.Tokens, tokens - 10).With(2, Axis.Tokens, last);
    }

    public static VisionTransformer Create(string family, SubnetWidths? widths = null, ulong seed = 1) =>
        Random(Families[family].Validated(), widths, seed);

    public static VisionTransformer Random(ViTArchitecture architecture, SubnetWidths? widths = null, ulong seed = 1)
    {
        widths ??= architecture.FullWidths;
        return new VisionTransformer(new ViTWeights(architecture, widths, ParameterTable.For(architecture, widths).Select((parameter, index) =>
            KeyValuePair.Create(parameter.Name, Weight(parameter, [.. parameter.ModelShape], seed + (ulong)index))), Pairs(architecture, widths)));
    }

    /// <summary>Rotary pairs in an order of every block's own, where one keeps fewer than all.</summary>
    public static IReadOnlyList<IReadOnlyList<int>>? Pairs(ViTArchitecture a, SubnetWidths widths) =>
        a.Position != PositionEmbedding.Rotary || widths.All(block => block[Axis.QueryKeyDims] == a.HeadDim)
            ? null
            : [.. Enumerable.Range(0, a.Depth).Select(block => Enumerable.Range(0, a.HeadDim / 2).Select(pair => ((3 * pair) + block + 1) % (a.HeadDim / 2)).ToArray())];

    /// <summary>A model with random scores; its floors let blocks lose everything.</summary>
    public static ElasticViT Elastic(VisionTransformer model) => new(model, Scores(model.Architecture), new KeepFloors(0, 0));

    public static ImportanceScores Scores(ViTArchitecture a)
    {
        SeededRandom random = new(5);
        return new ImportanceScores(Uniform(random, a.Depth, a.MlpDim), Uniform(random, a.Depth, a.Heads));
    }

    /// <summary>What a file says about a model, without preprocessing or provenance.</summary>
    public static ModelConfig Config(ViTArchitecture architecture, SubnetWidths widths) =>
        ModelConfig.Of(architecture, widths, Pairs(architecture, widths));

    /// <summary>Normalised images, float32 [count, 3, S, S].</summary>
    public static Tensor Images(ViTArchitecture architecture, int count) =>
        Normal([count, architecture.Channels, architecture.ImageSize, architecture.ImageSize], seed: 99);

    private static Tensor Weight(ParameterSpec parameter, long[] shape, ulong seed)
    {
        using DisposeScope scope = NewDisposeScope();
        bool scale = parameter.Name.EndsWith(".gamma", StringComparison.Ordinal)
            || (parameter.Name.Contains("norm", StringComparison.Ordinal) && parameter.Name.EndsWith(".weight", StringComparison.Ordinal));
        Tensor normal = Normal(shape, seed) * (parameter.Shape.Count == 2 ? 1.5 / Math.Sqrt(parameter.Shape[1] + 1.0) : 0.3);
        return (scale ? normal + 1 : normal).MoveToOuterDisposeScope();
    }

    private static Tensor Normal(long[] shape, ulong seed)
    {
        using Generator generator = new(seed);
        return randn(shape, generator: generator);
    }

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
