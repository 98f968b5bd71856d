namespace SnapViT.Core.Architecture;

/// <summary>
/// Facts that no tensor's shape shows, by the sizes or the published name of well-known models: how many heads a block has. (Model definitions of
/// timm: ViT, DeiT, SigLIP; of open_clip: ViT-g and ViT-bigG; of facebookresearch: DINOv2, DINOv3.)
/// </summary>
public static partial class KnownModels
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

    /// <summary>Name and heads per block of the known model of those sizes, or null when the table has none.</summary>
    /// <param name="width">Embedding width, D.</param>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="hidden">Neurons per MLP, H.</param>
    /// <param name="mlp">How its MLP is built.</param>
    public static (string Name, int Heads)? Find(int width, int depth, int hidden, MlpKind mlp = MlpKind.Standard) =>
        FindUnpruned(width, depth, mlp) is (string name, int known, int heads) && known == hidden ? (name, heads) : null;

    /// <summary>Name, neurons per MLP and heads per block of the known model that a pruned one was cut from, or null when the table has none.</summary>
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
}
