namespace SnapViT.Core.Architecture.Parts;

/// <summary>The convolution that makes a token of every patch: kernel and step are the patch size.</summary>
internal sealed class PatchEmbeddingSpec
{
    /// <summary>The patch embedding of a model.</summary>
    public PatchEmbeddingSpec(ViTArchitecture architecture)
    {
        ViTArchitecture a = architecture;
        LinearSpec layer = LinearSpec.Matrix(Convolution, a.EmbedDim, (long)a.Channels * a.PatchSize * a.PatchSize, a.HasPatchBias);
        Layer = layer with { Weight = layer.Weight with { Shape = [a.EmbedDim, a.Channels, a.PatchSize, a.PatchSize] } };
    }

    /// <summary>The name of the convolution.</summary>
    public static LayerName Convolution { get; } = new("patch_embed.proj");

    /// <summary>Kernel [D, channels, p, p] and bias [D].</summary>
    public LinearSpec Layer { get; }

    /// <summary>FLOPs of one image, <c>2 P p^2 channels D</c>.</summary>
    public static long Flops(ViTArchitecture a) => 2L * a.Patches * a.PatchSize * a.PatchSize * a.Channels * a.EmbedDim;
}
