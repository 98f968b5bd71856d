using System.Globalization;

namespace SnapViT.Core.Formats;

/// <summary>
/// One row of a format's table: which tensors of a file are which canonical ones (<see cref="Architecture.ParameterTable"/>). Read one
/// after the other, the elements of the canonical tensors are those of the file's tensors, so a row describes a renaming, a fusion or a
/// split.
/// </summary>
/// <param name="Canonical">Canonical names; <c>*</c> stands for the block.</param>
/// <param name="File">
/// Names in the file; <c>*</c> stands for the block, a leading <c>/</c> puts the name beside the model's prefix instead of behind it, a
/// trailing <c>?</c> says that the tensor may be absent where all of its elements are zero.
/// </param>
internal sealed record KeyRule(IReadOnlyList<string> Canonical, IReadOnlyList<string> File)
{
    private static readonly string[] Ends = [".weight", ".bias"];

    /// <summary>How the tensor's shape and element order in the file differ from the canonical ones.</summary>
    public TensorLayout Layout { get; init; }

    /// <summary>How the rows are divided among the canonical tensors, as whole-number ratios; null for equal parts.</summary>
    public IReadOnlyList<int>? Shares { get; init; }

    /// <summary>
    /// A tensor of the file with 1 for elements to keep and 0 for elements to read as zero; null for none. The file may lack it.
    /// </summary>
    public string? Mask { get; init; }

    /// <summary>
    /// Whether a file with these names applies the final norm to the pooled feature, and not to the tokens
    /// (<see cref="Architecture.ViTArchitecture.NormAfterPool"/>).
    /// </summary>
    public bool AfterPooling { get; init; }

    /// <summary>Whether the row is repeated for every block.</summary>
    public bool IsPerBlock => Canonical[0].Contains('*', StringComparison.Ordinal);

    /// <summary>A name of a row with the block put in.</summary>
    public static string At(string name, int block) =>
        name.Replace("*", block.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    /// <summary>A row of one canonical tensor and the tensors of the file that it is made of.</summary>
    internal static KeyRule Of(string canonical, params IReadOnlyList<string> file) => new([canonical], file);

    /// <summary>Rows of the weight and the bias of one canonical layer.</summary>
    public static IEnumerable<KeyRule> Layer(string canonical, params IReadOnlyList<string> file) =>
        Ends.Select(end => Of(canonical + end, [.. file.Select(name => name + end)]));

    /// <summary>Rows of the weights and the biases of canonical layers that are one layer in the file.</summary>
    public static IEnumerable<KeyRule> Packed(IReadOnlyList<string> canonical, string file) =>
        Ends.Select(end => new KeyRule([.. canonical.Select(name => name + end)], [file + end]));
}
