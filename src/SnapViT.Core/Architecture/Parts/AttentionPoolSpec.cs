namespace SnapViT.Core.Architecture.Parts;

/// <summary>SigLIP's pooling: one learned latent query attends to all tokens, then <c>x + mlp(norm x)</c>. Never pruned.</summary>
internal sealed class AttentionPoolSpec
{
    /// <summary>The name of the latent query.</summary>
    public const string LatentName = "attn_pool.latent";

    /// <summary>The attention pool of a model.</summary>
    public AttentionPoolSpec(ViTArchitecture architecture)
    {
        long width = architecture.EmbedDim;
        Latent = new ParameterSpec(LatentName, [1, 1, width], ParameterRole.Token);
        Query = LinearSpec.Matrix(new LayerName("attn_pool.q"), width, width);
        KeysValues = LinearSpec.Matrix(new LayerName("attn_pool.kv"), 2 * width, width);
        Proj = LinearSpec.Matrix(new LayerName("attn_pool.proj"), width, width);
        Norm = new NormSpec(new LayerName("attn_pool.norm"), architecture);
        Mlp = MlpSpec.Outside(architecture, MlpFirst, new LayerName("attn_pool.mlp.fc2"));
    }

    /// <summary>The name of the first layer of the MLP, which is as wide as those of the unpruned blocks.</summary>
    public static LayerName MlpFirst { get; } = new("attn_pool.mlp.fc1");

    /// <summary>The latent query, [1, 1, D].</summary>
    public ParameterSpec Latent { get; }

    /// <summary>The query of the latent: weight [D, D].</summary>
    public LinearSpec Query { get; }

    /// <summary>Keys and values of the tokens: weight [2 D, D].</summary>
    public LinearSpec KeysValues { get; }

    /// <summary>The output projection: weight [D, D].</summary>
    public LinearSpec Proj { get; }

    /// <summary>The norm before the MLP.</summary>
    public NormSpec Norm { get; }

    /// <summary>The MLP.</summary>
    public MlpSpec Mlp { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters =>
        [Latent, .. Query.Parameters, .. KeysValues.Parameters, .. Proj.Parameters, .. Norm.Parameters, .. Mlp.Parameters];
}
