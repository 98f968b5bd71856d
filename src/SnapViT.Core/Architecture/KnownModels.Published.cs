namespace SnapViT.Core.Architecture;

/// <summary>What the published name of a model says of it.</summary>
/// <param name="Name">The name on the hub, such as <c>timm/vit_small_patch16_224.dino</c>.</param>
/// <param name="Width">Embedding width, D.</param>
/// <param name="Depth">Blocks, L.</param>
/// <param name="Heads">Attention heads per block, A.</param>
/// <param name="Activation">Activation of a standard MLP.</param>
/// <param name="Preprocessing">The published setting of its images by name; null where publishers differ and only the config beside the weights says it.</param>
public sealed record PublishedModel(string Name, int Width, int Depth, int Heads, Activation Activation, string? Preprocessing);

/// <content>
/// Models by the names that timm publishes them under (timm/models: vision_transformer.py, deit.py, eva.py; open_clip's SigLIP2 too). The settings
/// of images are those of timm's pretrained configurations; SigLIP's is open_clip's, which squashes.
/// </content>
public static partial class KnownModels
{
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
    public static PublishedModel? Named(string name)
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
