namespace SnapViT.Core.Architecture;

/// <summary>
/// Facts that no tensor's shape shows, by the shape of well-known models: how many heads a block has. (timm model definitions, ViT and DeiT.)
/// </summary>
public static class KnownModels
{
    private static readonly (string Name, int Width, int Depth, int Hidden, int Heads)[] Rows =
    [
        ("ViT-Ti", 192, 12, 768, 3),
        ("ViT-S", 384, 12, 1536, 6),
        ("ViT-B", 768, 12, 3072, 12),
        ("ViT-L", 1024, 24, 4096, 16),
        ("ViT-H", 1280, 32, 5120, 16),
    ];

    /// <summary>Name and heads per block of the known model of those sizes, or null when the table has none.</summary>
    /// <param name="width">Embedding width, D.</param>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="hidden">Neurons per MLP, H.</param>
    public static (string Name, int Heads)? Find(int width, int depth, int hidden)
    {
        foreach ((string name, int rowWidth, int rowDepth, int rowHidden, int heads) in Rows)
        {
            if ((rowWidth, rowDepth, rowHidden) == (width, depth, hidden))
            {
                return (name, heads);
            }
        }

        return null;
    }
}
