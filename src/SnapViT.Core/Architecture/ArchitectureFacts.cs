namespace SnapViT.Core.Architecture;

/// <summary>How the MLP of a block is built.</summary>
public enum MlpKind
{
    /// <summary><c>fc2(act(fc1 x))</c>.</summary>
    Standard,

    /// <summary><c>w3(silu(w1 x) * (w2 x))</c>.</summary>
    SwiGlu,
}

/// <summary>Activation of a standard MLP.</summary>
public enum Activation
{
    /// <summary>Exact GELU, <c>x Phi(x)</c>.</summary>
    GeluErf,

    /// <summary>GELU by its tanh approximation (SigLIP gopt; <c>gelu_pytorch_tanh</c>).</summary>
    GeluTanh,

    /// <summary><c>x sigmoid(1.702 x)</c> (OpenAI's CLIP).</summary>
    QuickGelu,
}

/// <summary>How positions reach the tokens.</summary>
public enum PositionEmbedding
{
    /// <summary>A learned table [1, prefix + patches, D] added to all tokens.</summary>
    AllTokens,

    /// <summary>A learned table [1, patches, D] added to the patch tokens only (DeiT-III, SigLIP).</summary>
    PatchesOnly,

    /// <summary>
    /// A learned table [1, 1 + patches, D] added to class token and patches; register tokens are put between them afterwards (DINOv2).
    /// </summary>
    ClassAndPatches,

    /// <summary>Rotary embedding of queries and keys of the patch tokens (DINOv3).</summary>
    Rotary,
}

/// <summary>How one feature vector is made of the tokens.</summary>
public enum Pooling
{
    /// <summary>The class token after the final norm.</summary>
    ClassToken,

    /// <summary>
    /// The mean of class and distillation token after the final norm; logits are the mean of both classifiers (distilled DeiT).
    /// </summary>
    ClassAndDistillation,

    /// <summary>Attention pooling by one latent query, then <c>x + mlp(norm(x))</c> (SigLIP).</summary>
    Attention,

    /// <summary>The mean of the patch tokens.</summary>
    AveragePatches,
}
