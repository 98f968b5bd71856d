using SnapViT.Core.Architecture;

namespace SnapViT.Core.Formats;

/// <summary>One publisher's names for the tensors of a Vision Transformer, and facts of its models that shapes do not show.</summary>
internal sealed record StateDictFormat
{
    /// <summary>Its name, as <c>snapvit inspect</c> and <c>snapvit convert --to</c> say it.</summary>
    public required string Name { get; init; }

    /// <summary>Name, after the prefix, of a tensor that every file of this format has.</summary>
    public required string Marker { get; init; }

    /// <summary>Tensors of which every file of this format has at least one; empty if the marker is enough to recognise it.</summary>
    public IReadOnlyList<string> Signs { get; init; } = [];

    /// <summary>Tensors that no file of this format has; a file with one of them has another format.</summary>
    public IReadOnlyList<string> Lacks { get; init; } = [];

    /// <summary>Number of dimensions of the marker; null where it does not matter.</summary>
    public int? MarkerRank { get; init; }

    /// <summary>
    /// Whether the first MLP layer holds gate and value in one tensor, so that it has twice as many rows as the second layer has inputs.
    /// </summary>
    public bool HasPackedGate { get; init; }

    /// <summary>
    /// Prefixes before the names of the model; the first one is written, the last one where a classifier stands beside the model.
    /// </summary>
    public IReadOnlyList<string> Prefixes { get; init; } = [""];

    /// <summary>Further prefixes that files have and that are never written.</summary>
    public IReadOnlyList<string> FurtherPrefixes { get; init; } = [];

    /// <summary>
    /// The table. Where two rows give the same canonical tensor, the first whose names are in the file is read, and the first is written.
    /// </summary>
    public required IReadOnlyList<KeyRule> Rules { get; init; }

    /// <summary>What a file may hold beside the backbone: names without prefix, <c>*</c> stands for anything.</summary>
    public IReadOnlyList<string> Unused { get; init; } = [];

    /// <summary>Tensors that the publisher's code expects in a file but no forward pass of images needs; written, never read.</summary>
    public IReadOnlyList<KeyConstant> Constants { get; init; } = [];

    /// <summary>Epsilon of every LayerNorm where no config says it.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-6;

    /// <summary>Activation of the MLPs where no config says it; null where files of this format differ in it.</summary>
    public Activation? Activation { get; init; } = Architecture.Activation.GeluErf;

    /// <summary>Whether files are read only: their layout needs facts that a conversion does not have.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>What a user should know of the classifier of such files; null for nothing.</summary>
    public string? Remark { get; init; }

    /// <summary>Where the names and facts are published.</summary>
    public required string Source { get; init; }
}
