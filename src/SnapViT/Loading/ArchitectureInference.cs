using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Loading;

/// <summary>
/// Reads the architecture of a plain timm Vision Transformer from the names and shapes of its tensors. What shapes do not show (the number of
/// heads) comes from a flag or the table of known models; a doubt is an error that says what to pass, never a guess.
/// </summary>
internal static class ArchitectureInference
{
    /// <summary>Infers the architecture of an unpruned checkpoint.</summary>
    /// <param name="archive">The checkpoint; its shapes only are read.</param>
    /// <param name="heads">Heads per block as the user passed them; null to ask the table.</param>
    /// <exception cref="CheckpointFormatException">It is no plain Vision Transformer, or a fact is in doubt.</exception>
    public static ModelDescription Infer(ITensorArchive archive, int? heads)
    {
        IReadOnlyList<long> patch = Shape(archive, "patch_embed.proj.weight", 4);
        IReadOnlyList<long> positions = Shape(archive, "pos_embed", 3);
        IReadOnlyList<long> fc1 = Shape(archive, "blocks.0.mlp.fc1.weight", 2);
        int width = (int)patch[0], depth = CountBlocks(archive), hidden = (int)fc1[0];
        int grid = (int)Math.Sqrt(positions[1] - 1);
        if (patch[2] != patch[3] || ((long)grid * grid) + 1 != positions[1])
        {
            throw new CheckpointFormatException(
                archive.Path, $"expected square patches and 1 + g*g positions, found patches {patch[2]}x{patch[3]} and {positions[1]} positions", "pos_embed");
        }

        (int count, string source) = Heads(archive, heads, width, depth, hidden);
        ViTArchitecture architecture = new()
        {
            Depth = depth,
            Width = width,
            Heads = count,
            HeadWidth = width / count,
            Hidden = hidden,
            PatchSize = (int)patch[2],
            ImageSize = grid * (int)patch[2],
            Channels = (int)patch[1],
            Classes = archive.Tensors.TryGetValue("head.weight", out TensorEntry? head) ? (int)head.Shape[0] : 0,
            HasQkvBias = archive.Tensors.ContainsKey("blocks.0.attn.qkv.bias"),
        };
        return new ModelDescription(architecture.Validated(), architecture.FullWidths, [("depth, widths, patch, image size, classes", "shapes of the tensors"), ("heads", source)]);
    }

    private static (int Heads, string Source) Heads(ITensorArchive archive, int? passed, int width, int depth, int hidden)
    {
        if (passed is int heads)
        {
            return heads > 0 && width % heads == 0
                ? (heads, "--num-heads")
                : throw new CheckpointFormatException(archive.Path, $"--num-heads: expected a divisor of the width {width}, found {heads}");
        }

        return KnownModels.Find(width, depth, hidden) is (string name, int known)
            ? (known, $"table of known models ({name})")
            : throw new CheckpointFormatException(
                archive.Path, $"width {width}, {depth} blocks and {hidden} neurons fit no known model; pass --num-heads, the attention heads per block");
    }

    private static int CountBlocks(ITensorArchive archive)
    {
        int depth = 0;
        while (archive.Tensors.ContainsKey($"blocks.{depth}.norm1.weight"))
        {
            depth++;
        }

        return depth;
    }

    private static IReadOnlyList<long> Shape(ITensorArchive archive, string name, int rank)
    {
        if (!archive.Tensors.TryGetValue(name, out TensorEntry? entry))
        {
            throw new CheckpointFormatException(archive.Path, "expected a timm Vision Transformer, found no such tensor", name);
        }

        return entry.Shape.Count == rank
            ? entry.Shape
            : throw new CheckpointFormatException(archive.Path, $"expected {rank} dimensions, found [{string.Join(", ", entry.Shape)}]", name);
    }
}
