using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

public sealed partial class VisionTransformer
{
    /// <summary>
    /// All tokens after the final norm, or as they leave the last block where that norm follows the pooling. Follows the caller's gradient mode: gradients flow where a hook asked an output for its gradient.
    /// </summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="hook">Sees every linear layer of every block; null for none.</param>
    /// <returns>Tokens, float32 [B, N, D].</returns>
    /// <exception cref="ArgumentException">The images have another shape.</exception>
    public Tensor Tokens(Tensor images, IForwardHook? hook = null)
    {
        RequireImages(images);
        using DisposeScope scope = NewDisposeScope();
        Tensor x = EmbedTokens(images);
        for (int block = 0; block < Architecture.Depth; block++)
        {
            Tensor next = Block(x, block, hook);
            x.Dispose();
            x = next;
        }

        return (Architecture.NormAfterPool ? x : NormWeights.Find(Weights, "norm").Apply(x)).MoveToOuterDisposeScope();
    }

    /// <summary>One feature vector per image from its tokens.</summary>
    /// <param name="tokens">Tokens after the final norm, float32 [B, N, D].</param>
    /// <returns>Features, float32 [B, D] (CLIP: [B, projection width]).</returns>
    public Tensor Pool(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pooled = Architecture.Pooling switch
        {
            Pooling.ClassToken => tokens.select(1, 0),
            Pooling.ClassAndDistillation => tokens.narrow(1, 0, 2).mean([1]),
            Pooling.Attention => AttentionPool.Apply(Weights, tokens),
            Pooling.AveragePatches => tokens.narrow(1, Architecture.PrefixTokens, Architecture.Patches).mean([1]),
            _ => throw new InvalidOperationException($"unknown pooling {Architecture.Pooling}"),
        };
        pooled = Architecture.NormAfterPool ? NormWeights.Find(Weights, "norm").Apply(pooled) : pooled;
        Tensor? projection = Weights.Find("projection.weight");
        pooled = projection is null ? pooled : nn.functional.linear(pooled, projection);
        return pooled.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Class scores from tokens by the model's own classifier; distilled DeiT: the mean of its two.</summary>
    /// <param name="tokens">Tokens after the final norm, float32 [B, N, D].</param>
    /// <returns>Logits, float32 [B, classes].</returns>
    /// <exception cref="InvalidOperationException">The model has no classifier.</exception>
    public Tensor Classify(Tensor tokens)
    {
        if (Architecture.Classes == 0)
        {
            throw new InvalidOperationException("this model has no classifier: its features can be used, its logits do not exist");
        }

        using DisposeScope scope = NewDisposeScope();
        if (Architecture.Pooling != Pooling.ClassAndDistillation)
        {
            return LinearWeights.Find(Weights, "head").Apply(Pool(tokens)).MoveToOuterDisposeScope();
        }

        Tensor byClass = LinearWeights.Find(Weights, "head").Apply(tokens.select(1, 0));
        Tensor byDistillation = LinearWeights.Find(Weights, "head_dist").Apply(tokens.select(1, 1));
        return byClass.Plus(byDistillation).Div(2).MoveToOuterDisposeScope();
    }

    internal Tensor EmbedTokens(Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = PlaceTokens(EmbedPatches(images));
        if (Architecture.HasPreNorm)
        {
            x = NormWeights.Find(Weights, "norm_pre").Apply(x);
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Patches [B, P, D] with their positions in their places among the prefix tokens: [B, N, D], affine in the patches.</summary>
    internal Tensor PlaceTokens(Tensor patches)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? positions = Weights.Find("pos_embed");
        Tensor x = Architecture.Position switch
        {
            PositionEmbedding.AllTokens => WithPrefix(patches, registers: true).Plus(positions!),
            PositionEmbedding.PatchesOnly => WithPrefix(patches.Plus(positions!), registers: true),
            PositionEmbedding.ClassAndPatches => InsertRegisters(WithPrefix(patches, registers: false).Plus(positions!)),
            _ => WithPrefix(patches, registers: true).alias(),
        };
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>The patch convolution as what it is, a linear layer over non-overlapping patches: [B, 3, S, S] to float32 [B, P, D].</summary>
    private Tensor EmbedPatches(Tensor images)
    {
        long grid = Architecture.Grid, side = Architecture.PatchSize, pixels = Architecture.Channels * side * side;
        Tensor patches = images.reshape(images.shape[0], Architecture.Channels, grid, side, grid, side)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(images.shape[0], grid * grid, pixels);
        LinearWeights conv = LinearWeights.Find(Weights, "patch_embed.proj");
        LinearWeights linear = conv with { Weight = conv.Weight.reshape(Architecture.EmbedDim, pixels) };
        return linear.Apply(patches).to(ScalarType.Float32);
    }

    private Tensor WithPrefix(Tensor patches, bool registers)
    {
        string[] names = registers ? ["cls_token", "dist_token", "reg_token"] : ["cls_token", "dist_token"];
        Tensor[] prefix = [.. names.Select(Weights.Find).OfType<Tensor>().Select(token => token.expand(patches.shape[0], -1, -1))];
        return prefix.Length == 0 ? patches : cat([.. prefix, patches], 1);
    }

    private Tensor InsertRegisters(Tensor x)
    {
        Tensor? registers = Weights.Find("reg_token");
        if (registers is null)
        {
            return x;
        }

        long before = Architecture.PrefixTokens - Architecture.RegisterTokens;
        return cat([x.narrow(1, 0, before), registers.expand(x.shape[0], -1, -1), x.narrow(1, before, Architecture.Patches)], 1);
    }

    private void RequireImages(Tensor images)
    {
        ArgumentNullException.ThrowIfNull(images);
        long side = Architecture.ImageSize, channels = Architecture.Channels;
        long[] shape = images.shape;
        if (shape.Length != 4 || shape[1] != channels || shape[2] != side || shape[3] != side)
        {
            throw new ArgumentException($"images: expected shape [B, {channels}, {side}, {side}], found [{string.Join(", ", shape)}]", nameof(images));
        }
    }
}
