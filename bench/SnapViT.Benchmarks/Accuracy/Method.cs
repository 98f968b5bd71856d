using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Correction;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>One way of making sub-networks that is measured.</summary>
/// <param name="Name">Name in the table.</param>
/// <param name="Scores">Its scores file.</param>
/// <param name="Moments">Another scores file whose second moments are taken; null for its own.</param>
/// <param name="Correction">How sub-networks are corrected; null for not at all.</param>
/// <param name="Sequential">Whether every sub-network is fitted once more, block after block, from its own inputs.</param>
/// <param name="Allocation">How the FLOPs that a pair of ratios takes are divided; null for as the pair says.</param>
internal sealed record Method(string Name, string Scores, string? Moments, CorrectionOptions? Correction, bool Sequential, Allocation? Allocation)
{
    private const string Form = "NAME=FILE[@MOMENTS][:none|sparsegpt|affine|sequential[+joint]]";

    /// <summary>Reads <c>NAME=FILE[@MOMENTS][:none|sparsegpt|affine|sequential[+joint]]</c>.</summary>
    public static Method Parse(string text)
    {
        string[] parts = text.Split('=', 2);
        if (parts.Length != 2)
        {
            throw new ArgumentException($"--method: expected {Form}, found '{text}'");
        }

        int colon = parts[1].LastIndexOf(':');
        (string file, string mode) = colon < 0 ? (parts[1], "none") : (parts[1][..colon], parts[1][(colon + 1)..]);
        string[] files = file.Split('@', 2);
        Allocation? allocation = mode.EndsWith("+joint", StringComparison.Ordinal) ? Core.Planning.Allocation.Joint : null;
        mode = allocation is null ? mode : mode[..^"+joint".Length];
        CorrectionOptions? correction = mode switch
        {
            "none" => null,
            "sparsegpt" => new CorrectionOptions { Mode = CorrectionMode.SparseGpt },
            "affine" or "sequential" => new CorrectionOptions(),
            _ => throw new ArgumentException($"--method: expected none, sparsegpt, affine or sequential, found '{mode}'"),
        };
        return new Method(parts[0], files[0], files.Length > 1 ? files[1] : null, correction, mode == "sequential", allocation);
    }

    /// <summary>This method on the files of one seed.</summary>
    public Method For(ulong seed) => this with { Scores = Named(Scores, seed), Moments = Moments is null ? null : Named(Moments, seed) };

    private static string Named(string file, ulong seed) => file.Replace("{seed}", seed.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
