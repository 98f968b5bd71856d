using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;

namespace SnapViT.Loading;

/// <summary>All of an architecture that names and shapes of its tensors show; nothing of it is a guess.</summary>
internal sealed class ShapeFacts
{
    private const int RgbChannels = 3;

    private readonly CanonicalArchive _archive;

    /// <exception cref="CheckpointFormatException">A tensor that every Vision Transformer has is missing, or has an impossible shape.</exception>
    public ShapeFacts(CanonicalArchive archive)
    {
        _archive = archive;
        IReadOnlyList<long> patch = Shape("patch_embed.proj.weight", 4);
        (Width, Channels, PatchSize) = (Size(patch[0]), Size(patch[1]), Size(patch[2]));
        if (patch[2] != patch[3] || patch.Contains(0))
        {
            throw new CheckpointFormatException(archive.Path, $"expected square patches, found shape [{string.Join(", ", patch)}]", archive.NameInFile("patch_embed.proj.weight"));
        }

        if (Channels != RgbChannels)
        {
            throw new CheckpointFormatException(
                archive.Path,
                $"expected a model of images with {RgbChannels} channels (red, green, blue), found patches of {Channels}: images of other channels cannot be read",
                archive.NameInFile("patch_embed.proj.weight"));
        }

        Depth = CountBlocks();
        Mlp = Has("blocks.0.mlp.w1.weight") ? MlpKind.SwiGlu : MlpKind.Standard;
        Registers = Has("reg_token") ? Size(Shape("reg_token", 3)[1]) : 0;
        string first = Mlp == MlpKind.SwiGlu ? "w1" : "fc1";
        Neurons = [.. Enumerable.Range(0, Math.Max(Depth, 1)).Select(block => Size(Shape($"blocks.{block}.mlp.{first}.weight", 2)[0]))];
        AttentionWidths = [.. Enumerable.Range(0, Depth).Select(block => Size(Shape($"blocks.{block}.attn.proj.weight", 2)[1]))];
    }

    public int Width { get; }

    public int Channels { get; }

    public int PatchSize { get; }

    public int Depth { get; }

    public MlpKind Mlp { get; }

    public int Registers { get; }

    /// <summary>Neurons of every block.</summary>
    public IReadOnlyList<int> Neurons { get; }

    /// <summary>Heads times head width of every block.</summary>
    public IReadOnlyList<int> AttentionWidths { get; }

    /// <summary>Whether blocks were cut: one of them differs from the others, or its attention is narrower than the tokens.</summary>
    public bool IsPruned => AttentionWidths.Any(width => width != Width) || Neurons.Distinct().Count() > 1;

    /// <summary>Positions of the table; null where there is none.</summary>
    public long? Positions => Has("pos_embed") ? Shape("pos_embed", 3)[1] : null;

    /// <summary>Neurons of the attention pool's MLP, which is as wide as those of the unpruned blocks; null where there is none.</summary>
    public int? PoolNeurons => Has("attn_pool.mlp.fc1.weight") ? Size(Shape("attn_pool.mlp.fc1.weight", 2)[0]) : null;

    public int PrefixTokens => (Has("cls_token") ? 1 : 0) + (Has("dist_token") ? 1 : 0) + Registers;

    public int Classes => Has("head.weight") ? Size(Shape("head.weight", 2)[0]) : 0;

    public int ProjectionDim => Has("projection.weight") ? Size(Shape("projection.weight", 2)[0]) : 0;

    public bool Has(string canonical) => _archive.Tensors.ContainsKey(canonical);

    private int CountBlocks()
    {
        int depth = 0;
        while (Has($"blocks.{depth}.norm1.weight"))
        {
            depth++;
        }

        return depth;
    }

    private IReadOnlyList<long> Shape(string name, int rank)
    {
        if (!_archive.Tensors.TryGetValue(name, out TensorEntry? entry))
        {
            throw new CheckpointFormatException(_archive.Path, "expected a Vision Transformer, found no such tensor", _archive.NameInFile(name));
        }

        return entry.Shape.Count == rank
            ? entry.Shape
            : throw new CheckpointFormatException(_archive.Path, $"expected {rank} dimensions, found [{string.Join(", ", entry.Shape)}]", _archive.NameInFile(name));
    }

    private int Size(long size) => size <= int.MaxValue
        ? (int)size
        : throw new CheckpointFormatException(_archive.Path, $"expected sizes of at most {int.MaxValue}, found {size}");
}
