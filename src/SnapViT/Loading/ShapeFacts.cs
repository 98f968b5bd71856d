using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;

namespace SnapViT.Loading;

/// <summary>All of an architecture that names and shapes of its tensors show; nothing of it is a guess.</summary>
internal sealed class ShapeFacts
{
    private const int RgbChannels = 3;

    private readonly CanonicalArchive _archive;

    /// <exception cref="CheckpointFormatException">
    /// A tensor that every Vision Transformer has is missing, or has an impossible shape.
    /// </exception>
    public ShapeFacts(CanonicalArchive archive)
    {
        _archive = archive;
        IReadOnlyList<long> patch = Shape(PatchEmbeddingSpec.Convolution.Weight, 4);
        (Width, Channels, PatchSize) = (Size(patch[0]), Size(patch[1]), Size(patch[2]));
        if (patch[2] != patch[3] || patch.Contains(0))
        {
            throw new CheckpointFormatException(
                archive.Path,
                $"expected square patches, found shape [{string.Join(", ", patch)}]",
                archive.NameInFile(PatchEmbeddingSpec.Convolution.Weight));
        }

        if (Channels != RgbChannels)
        {
            throw new CheckpointFormatException(
                archive.Path,
                $"expected a model of images with {RgbChannels} channels (red, green, blue), found patches of {Channels}: "
                    + "images of other channels cannot be read",
                archive.NameInFile(PatchEmbeddingSpec.Convolution.Weight));
        }

        Depth = CountBlocks();
        Mlp = Has(MlpSpec.FirstName(0, MlpKind.SwiGlu).Weight) ? MlpKind.SwiGlu : MlpKind.Standard;
        Registers = Has(TokensSpec.RegistersName) ? Size(Shape(TokensSpec.RegistersName, 3)[1]) : 0;
        Neurons = [.. Enumerable.Range(0, Math.Max(Depth, 1)).Select(block => Size(Shape(MlpSpec.FirstName(block, Mlp).Weight, 2)[0]))];
        QkvRows = [.. Enumerable.Range(0, Depth).Select(block => Size(Shape(AttentionSpec.QkvName(block).Weight, 2)[0]))];
        AttentionWidths = [.. Enumerable.Range(0, Depth).Select(block => Size(Shape(AttentionSpec.ProjName(block).Weight, 2)[1]))];
    }

    public int Width { get; }

    public int Channels { get; }

    public int PatchSize { get; }

    public int Depth { get; }

    public MlpKind Mlp { get; }

    public int Registers { get; }

    /// <summary>Neurons of every block.</summary>
    public IReadOnlyList<int> Neurons { get; }

    /// <summary>Rows of queries, keys and values together of every block.</summary>
    public IReadOnlyList<int> QkvRows { get; }

    /// <summary>Heads times head width of every block.</summary>
    public IReadOnlyList<int> AttentionWidths { get; }

    /// <summary>Whether blocks were cut: one of them differs from the others, or its attention is narrower than the tokens.</summary>
    public bool IsPruned => AttentionWidths.Any(width => width != Width) || Neurons.Distinct().Count() > 1;

    /// <summary>Positions of the table; null where there is none.</summary>
    public long? Positions => Has(TokensSpec.PositionsName) ? Shape(TokensSpec.PositionsName, 3)[1] : null;

    /// <summary>Neurons of the attention pool's MLP, which is as wide as those of the unpruned blocks; null where there is none.</summary>
    public int? PoolNeurons => Has(AttentionPoolSpec.MlpFirst.Weight) ? Size(Shape(AttentionPoolSpec.MlpFirst.Weight, 2)[0]) : null;

    public long PrefixTokens => (HasClassToken ? 1L : 0) + (HasDistillationToken ? 1 : 0) + Registers;

    public bool HasClassifier => Has(OutputSpec.ClassifierName.Weight);

    public bool HasDistillationClassifier => Has(OutputSpec.DistillationClassifierName.Weight);

    public int Classes => HasClassifier ? Size(Shape(OutputSpec.ClassifierName.Weight, 2)[0]) : 0;

    public int ProjectionDim => Has(OutputSpec.ProjectionName.Weight) ? Size(Shape(OutputSpec.ProjectionName.Weight, 2)[0]) : 0;

    public bool HasClassToken => Has(TokensSpec.ClassTokenName);

    public bool HasDistillationToken => Has(TokensSpec.DistillationTokenName);

    public bool HasAttentionPool => Has(AttentionPoolSpec.LatentName);

    public bool HasLayerScale => Has(BlockSpec.LayerScale1Name(0));

    public bool HasPreNorm => Has(NormSpec.Pre.Weight);

    public bool HasPatchBias => Has(PatchEmbeddingSpec.Convolution.Bias);

    public bool HasQkvBias => Has(AttentionSpec.QkvName(0).Bias);

    private bool Has(string canonical) => _archive.Tensors.ContainsKey(canonical);

    private int CountBlocks()
    {
        int depth = 0;
        while (Has(BlockSpec.Norm1Name(depth).Weight))
        {
            depth++;
        }

        return depth;
    }

    private IReadOnlyList<long> Shape(string name, int rank)
    {
        if (!_archive.Tensors.TryGetValue(name, out TensorEntry? entry))
        {
            throw new CheckpointFormatException(
                _archive.Path,
                "expected a Vision Transformer, found no such tensor",
                _archive.NameInFile(name));
        }

        return entry.Shape.Count == rank
            ? entry.Shape
            : throw new CheckpointFormatException(
                _archive.Path,
                $"expected {rank} dimensions, found [{string.Join(", ", entry.Shape)}]",
                _archive.NameInFile(name));
    }

    private int Size(long size) => size <= int.MaxValue
        ? (int)size
        : throw new CheckpointFormatException(_archive.Path, $"expected sizes of at most {int.MaxValue}, found {size}");
}
