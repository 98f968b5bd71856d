namespace SnapViT.Core.Architecture;

/// <summary>One learned tensor of a model: its canonical name and shape.</summary>
/// <param name="Name">The name timm gives it, such as <c>blocks.3.mlp.fc1.weight</c>.</param>
/// <param name="Shape">Its shape in timm's layout.</param>
public sealed record ParameterShape(string Name, IReadOnlyList<long> Shape)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => checked(product * size));
}

/// <summary>
/// Every learned tensor that an architecture with given widths has, by canonical name (timm's) and shape. What a checkpoint must hold,
/// what a model is built from and what is written are all this one table.
/// </summary>
public static class ParameterTable
{
    /// <summary>Lists the tensors in the order a forward pass meets them.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block; <see cref="ViTArchitecture.FullWidths"/> for the unpruned model.</param>
    /// <exception cref="ArgumentException">The widths have another number of blocks, or exceed the architecture's.</exception>
    public static IReadOnlyList<ParameterShape> For(ViTArchitecture architecture, SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        RequireFit(architecture, widths);
        return
        [
            .. Embedding(architecture),
            .. widths.SelectMany((block, index) => Block(architecture, block, $"blocks.{index}.")),
            .. Norm("norm", architecture.EmbedDim),
            .. Head(architecture),
        ];
    }

    /// <summary>Checks that every block of <paramref name="widths"/> fits into <paramref name="architecture"/>.</summary>
    /// <exception cref="ArgumentException">Another number of blocks, or a block wider than the architecture's.</exception>
    public static void RequireFit(ViTArchitecture architecture, SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(widths);
        if (widths.Count != architecture.Depth)
        {
            throw new ArgumentException($"widths: expected {architecture.Depth} blocks, found {widths.Count}", nameof(widths));
        }

        for (int block = 0; block < widths.Count; block++)
        {
            if (widths[block].Heads > architecture.Heads || widths[block].Neurons > architecture.MlpDim)
            {
                throw new ArgumentException(
                    $"block {block}: expected at most {architecture.Heads} heads and {architecture.MlpDim} neurons, "
                    + $"found {widths[block].Heads} and {widths[block].Neurons}",
                    nameof(widths));
            }
        }
    }

    private static IEnumerable<ParameterShape> Embedding(ViTArchitecture a)
    {
        if (a.HasClassToken)
        {
            yield return new("cls_token", [1, 1, a.EmbedDim]);
        }

        if (a.HasDistillationToken)
        {
            yield return new("dist_token", [1, 1, a.EmbedDim]);
        }

        if (a.RegisterTokens > 0)
        {
            yield return new("reg_token", [1, a.RegisterTokens, a.EmbedDim]);
        }

        if (a.Position != PositionEmbedding.Rotary)
        {
            yield return new("pos_embed", [1, PositionTokens(a), a.EmbedDim]);
        }

        yield return new("patch_embed.proj.weight", [a.EmbedDim, a.Channels, a.PatchSize, a.PatchSize]);
        if (a.HasPatchBias)
        {
            yield return new("patch_embed.proj.bias", [a.EmbedDim]);
        }

        if (a.HasPreNorm)
        {
            yield return new("norm_pre.weight", [a.EmbedDim]);
            yield return new("norm_pre.bias", [a.EmbedDim]);
        }
    }

    private static int PositionTokens(ViTArchitecture a) => a.Position switch
    {
        PositionEmbedding.PatchesOnly => a.Patches,
        PositionEmbedding.ClassAndPatches => a.Patches + (a.HasClassToken ? 1 : 0),
        _ => a.Tokens,
    };

    private static IEnumerable<ParameterShape> Block(ViTArchitecture a, BlockWidths widths, string prefix) =>
    [
        .. Norm(prefix + "norm1", a.EmbedDim),
        .. Linear(prefix + "attn.qkv", 3L * widths.Heads * a.HeadDim, a.EmbedDim, a.HasQkvBias),
        .. Linear(prefix + "attn.proj", a.EmbedDim, (long)widths.Heads * a.HeadDim),
        .. LayerScale(a, prefix + "ls1"),
        .. Norm(prefix + "norm2", a.EmbedDim),
        .. Mlp(a.Mlp, a.EmbedDim, widths.Neurons, prefix + "mlp."),
        .. LayerScale(a, prefix + "ls2"),
    ];

    private static IEnumerable<ParameterShape> Mlp(MlpKind kind, long width, long hidden, string prefix) => kind switch
    {
        MlpKind.SwiGlu =>
        [
            .. Linear(prefix + "w1", hidden, width), .. Linear(prefix + "w2", hidden, width), .. Linear(prefix + "w3", width, hidden),
        ],
        _ => [.. Linear(prefix + "fc1", hidden, width), .. Linear(prefix + "fc2", width, hidden)],
    };

    private static IEnumerable<ParameterShape> Head(ViTArchitecture a)
    {
        if (a.Pooling == Pooling.Attention)
        {
            IEnumerable<ParameterShape> pool =
            [
                new("attn_pool.latent", [1, 1, a.EmbedDim]),
                .. Linear("attn_pool.q", a.EmbedDim, a.EmbedDim),
                .. Linear("attn_pool.kv", 2L * a.EmbedDim, a.EmbedDim),
                .. Linear("attn_pool.proj", a.EmbedDim, a.EmbedDim),
                .. Norm("attn_pool.norm", a.EmbedDim),
                .. Mlp(MlpKind.Standard, a.EmbedDim, a.MlpDim, "attn_pool.mlp."),
            ];
            foreach (ParameterShape parameter in pool)
            {
                yield return parameter;
            }
        }

        if (a.ProjectionDim > 0)
        {
            yield return new("projection.weight", [a.ProjectionDim, a.EmbedDim]);
        }

        string[] classifiers = a.Classes == 0 ? [] : a.Pooling == Pooling.ClassAndDistillation ? ["head", "head_dist"] : ["head"];
        foreach (ParameterShape parameter in classifiers.SelectMany(name => Linear(name, a.Classes, a.EmbedDim)))
        {
            yield return parameter;
        }
    }

    private static IEnumerable<ParameterShape> LayerScale(ViTArchitecture a, string name) =>
        a.HasLayerScale ? [new(name + ".gamma", [a.EmbedDim])] : [];

    private static IEnumerable<ParameterShape> Norm(string name, long width) =>
        [new(name + ".weight", [width]), new(name + ".bias", [width])];

    private static IEnumerable<ParameterShape> Linear(string name, long outputs, long inputs, bool bias = true) =>
        bias ? [new(name + ".weight", [outputs, inputs]), new(name + ".bias", [outputs])] : [new(name + ".weight", [outputs, inputs])];
}
