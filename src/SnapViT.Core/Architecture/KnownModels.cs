namespace SnapViT.Core.Architecture;

/// <summary>What the published name of a model says of it.</summary>
/// <param name="Name">The name on the hub, such as <c>timm/vit_small_patch16_224.dino</c>.</param>
/// <param name="Width">Embedding width, D.</param>
/// <param name="Depth">Blocks, L.</param>
/// <param name="Heads">Attention heads per block, A.</param>
/// <param name="Activation">Activation of a standard MLP.</param>
/// <param name="Preprocessing">
/// The published setting of its images by name; null where publishers differ and only the config beside the weights says it.
/// </param>
internal sealed record PublishedModel(string Name, int Width, int Depth, int Heads, Activation Activation, string? Preprocessing);

/// <summary>
/// Facts that no tensor's shape shows, by the sizes or the published name of well-known models: how many heads a block has. (Model
/// definitions of timm: ViT, DeiT, SigLIP; of open_clip: ViT-g and ViT-bigG; of facebookresearch: DINOv2, DINOv3.)
/// </summary>
internal static class KnownModels
{
    private static readonly (string Name, int Width, int Depth, int Hidden, int Heads, MlpKind Mlp)[] Rows =
    [
        ("ViT-Ti", 192, 12, 768, 3, MlpKind.Standard),
        ("ViT-S", 384, 12, 1536, 6, MlpKind.Standard),
        ("ViT-B", 768, 12, 3072, 12, MlpKind.Standard),
        ("ViT-L", 1024, 24, 4096, 16, MlpKind.Standard),
        ("ViT-H", 1280, 32, 5120, 16, MlpKind.Standard),
        ("ViT-SO400M", 1152, 27, 4304, 16, MlpKind.Standard),
        ("ViT-gopt", 1536, 40, 6144, 16, MlpKind.Standard),
        ("ViT-g", 1408, 40, 6144, 16, MlpKind.Standard),
        ("ViT-bigG", 1664, 48, 8192, 16, MlpKind.Standard),
        ("DINOv2 ViT-g", 1536, 40, 4096, 24, MlpKind.SwiGlu),
        ("DINOv3 ViT-S+", 384, 12, 1536, 6, MlpKind.SwiGlu),
        ("DINOv3 ViT-H+", 1280, 32, 5120, 20, MlpKind.SwiGlu),
        ("DINOv3 ViT-7B", 4096, 40, 8192, 32, MlpKind.SwiGlu),
    ];

    /// <summary>The size that is published with two numbers of heads.</summary>
    public const string Ambiguous = "ViT-S";

    /// <summary>The patch size of those models.</summary>
    public const int AmbiguousPatch = 16;

    /// <summary>Heads per block of MoCo-v3's ViT-S (facebookresearch/moco-v3: vits.py).</summary>
    public const int MocoHeads = 12;

    /// <summary>
    /// Whether DINOv3 of that size is published for photos and for satellite images: ViT-L and ViT-7B (facebookresearch/dinov3: README).
    /// </summary>
    public static bool IsOfSatelliteImagesToo(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        return (architecture.EmbedDim, architecture.Depth) is (1024, 24) or (4096, 40);
    }

    /// <summary>Name and heads per block of the known model of those sizes, or null when the table has none.</summary>
    /// <param name="width">Embedding width, D.</param>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="hidden">Neurons per MLP, H.</param>
    /// <param name="mlp">How its MLP is built.</param>
    public static (string Name, int Heads)? Find(int width, int depth, int hidden, MlpKind mlp = MlpKind.Standard) =>
        FindUnpruned(width, depth, mlp) is (string name, int known, int heads) && known == hidden ? (name, heads) : null;

    /// <summary>
    /// Name, neurons per MLP and heads per block of the known model that a pruned one was cut from, or null when the table has none.
    /// </summary>
    /// <param name="width">Embedding width, D.</param>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="mlp">How its MLP is built.</param>
    public static (string Name, int Hidden, int Heads)? FindUnpruned(int width, int depth, MlpKind mlp)
    {
        foreach ((string name, int rowWidth, int rowDepth, int hidden, int heads, MlpKind rowMlp) in Rows)
        {
            if ((rowWidth, rowDepth, rowMlp) == (width, depth, mlp))
            {
                return (name, hidden, heads);
            }
        }

        return null;
    }

    private const string Publisher = "timm/";

    private static readonly (string Name, string Size, string? Preprocessing, Activation Activation)[] Published =
    [
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "ViT-Ti", "augreg", Activation.GeluErf),
        ("vit_small_patch16_224.augreg_in21k_ft_in1k", "ViT-S", "augreg", Activation.GeluErf),
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", "ViT-B", "augreg", Activation.GeluErf),
        ("vit_large_patch16_224.augreg_in21k_ft_in1k", "ViT-L", "augreg", Activation.GeluErf),
        ("vit_small_patch16_224.dino", "ViT-S", "dino", Activation.GeluErf),
        ("vit_base_patch16_224.dino", "ViT-B", "dino", Activation.GeluErf),
        ("deit_tiny_patch16_224.fb_in1k", "ViT-Ti", "deit", Activation.GeluErf),
        ("deit_small_patch16_224.fb_in1k", "ViT-S", "deit", Activation.GeluErf),
        ("deit_base_patch16_224.fb_in1k", "ViT-B", "deit", Activation.GeluErf),
        ("deit_tiny_distilled_patch16_224.fb_in1k", "ViT-Ti", "deit", Activation.GeluErf),
        ("deit_small_distilled_patch16_224.fb_in1k", "ViT-S", "deit", Activation.GeluErf),
        ("deit_base_distilled_patch16_224.fb_in1k", "ViT-B", "deit", Activation.GeluErf),
        ("deit3_small_patch16_224.fb_in22k_ft_in1k", "ViT-S", "deit3", Activation.GeluErf),
        ("deit3_base_patch16_224.fb_in22k_ft_in1k", "ViT-B", "deit3", Activation.GeluErf),
        ("deit3_large_patch16_224.fb_in22k_ft_in1k", "ViT-L", "deit3", Activation.GeluErf),
        ("deit3_huge_patch14_224.fb_in22k_ft_in1k", "ViT-H", "deit3", Activation.GeluErf),
        ("vit_base_patch16_siglip_224.v2_webli", "ViT-B", "siglip", Activation.GeluErf),
        ("vit_giantopt_patch16_siglip_256.v2_webli", "ViT-gopt", "siglip", Activation.GeluTanh),
        ("ViT-B-16-SigLIP2", "ViT-B", "siglip", Activation.GeluErf),
        ("ViT-gopt-16-SigLIP2-256", "ViT-gopt", "siglip", Activation.GeluTanh),
        ("vit_small_patch14_dinov2.lvd142m", "ViT-S", null, Activation.GeluErf),
        ("vit_base_patch14_dinov2.lvd142m", "ViT-B", null, Activation.GeluErf),
        ("vit_large_patch14_dinov2.lvd142m", "ViT-L", null, Activation.GeluErf),
        ("vit_giant_patch14_dinov2.lvd142m", "DINOv2 ViT-g", null, Activation.GeluErf),
        ("vit_small_patch14_reg4_dinov2.lvd142m", "ViT-S", null, Activation.GeluErf),
        ("vit_base_patch14_reg4_dinov2.lvd142m", "ViT-B", null, Activation.GeluErf),
        ("vit_large_patch14_reg4_dinov2.lvd142m", "ViT-L", null, Activation.GeluErf),
        ("vit_giant_patch14_reg4_dinov2.lvd142m", "DINOv2 ViT-g", null, Activation.GeluErf),
        ("vit_base_patch16_dinov3.lvd1689m", "ViT-B", null, Activation.GeluErf),
        ("vit_large_patch16_dinov3.lvd1689m", "ViT-L", null, Activation.GeluErf),
        ("vit_huge_plus_patch16_dinov3.lvd1689m", "DINOv3 ViT-H+", null, Activation.GeluErf),
    ];

    /// <summary>The names that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Published.Select(row => Publisher + row.Name)];

    /// <summary>The model of a name on the hub, or null when the table has none.</summary>
    /// <param name="name">The name, such as <c>timm/vit_small_patch16_224.dino</c>.</param>
    internal static PublishedModel? Named(string name)
    {
        foreach ((string published, string size, string? preprocessing, Activation activation) in Published)
        {
            if (Publisher + published == name)
            {
                (_, int width, int depth, _, int heads, _) = Rows.First(row => row.Name == size);
                return new PublishedModel(name, width, depth, heads, activation, preprocessing);
            }
        }

        return null;
    }
}
