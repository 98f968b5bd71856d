using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Scores;

/// <summary>A sub-network of a frontier with what was measured of it.</summary>
/// <param name="Widths">What every block keeps.</param>
/// <param name="Distance">
/// How far it is from the whole model on photos: of a model with a classifier the mean Kullback-Leibler divergence of its class
/// probabilities from the whole model's, in nats, 0 or more; of any other the mean of <c>1 - cosine</c> between features, both less the
/// mean feature of the whole model, 0..2.
/// </param>
public sealed record FrontierSlice(SubnetWidths Widths, double Distance);

/// <summary>
/// A nested path from the whole model down that takes from all axes what costs least: every slice is part of the one before. A budget is
/// met between two slices.
/// </summary>
public sealed class Frontier
{
    private const string Prefix = "frontier";
    private const int MaxSlices = 10_000;

    /// <summary>Takes the slices of a path.</summary>
    /// <param name="slices">At least the whole model; the largest first.</param>
    /// <exception cref="ArgumentException">There is none, or a slice keeps more than the one before.</exception>
    public Frontier(IEnumerable<FrontierSlice> slices)
    {
        ArgumentNullException.ThrowIfNull(slices);
        Slices = [.. slices];
        if (Slices.Count == 0)
        {
            throw new ArgumentException("frontier: expected at least one slice, found none", nameof(slices));
        }

        for (int i = 0; i < Slices.Count; i++)
        {
            FrontierSlice slice = Slices[i], before = Slices[Math.Max(0, i - 1)];
            if (!double.IsFinite(slice.Distance) || slice.Distance < 0 || !IsWithin(slice.Widths, before.Widths))
            {
                throw new ArgumentException(
                    $"frontier: expected slice {i} within the one before, with a finite distance of 0 or more, "
                        + FormattableString.Invariant($"found {slice.Widths} at {slice.Distance}"),
                    nameof(slices));
            }
        }
    }

    /// <summary>The slices, the whole model first.</summary>
    public IReadOnlyList<FrontierSlice> Slices { get; }

    internal static bool IsKey(string name) => name.StartsWith(Prefix + ".", StringComparison.Ordinal);

    internal void AddTo(List<TensorToWrite> tensors, string kind)
    {
        int depth = Slices[0].Widths.Count;
        tensors.Add(TensorToWrite.From(Key(kind, "distance"), Slices.Select(slice => slice.Distance).ToArray(), Slices.Count));
        foreach (AxisFacts row in AxisTable.Rows)
        {
            double[] widths = [.. Slices.SelectMany(slice => slice.Widths.Select(block => (double)block[row.Axis]))];
            tensors.Add(TensorToWrite.From(Key(kind, row.Key), widths, Slices.Count, depth));
        }
    }

    /// <summary>The frontier of an open scores file; null where it has none of that kind.</summary>
    internal static Frontier? Find(ITensorArchive archive, string kind, int depth)
    {
        if (!archive.Tensors.TryGetValue(Key(kind, "distance"), out TensorEntry? found))
        {
            return null;
        }

        if (found.Shape is not [> 0 and <= MaxSlices and long count])
        {
            throw new CheckpointFormatException(
                archive.Path, $"expected up to {MaxSlices} distances, found {found}", Key(kind, "distance"));
        }

        double[] distances = archive.ReadDoubles(Key(kind, "distance"));
        Dictionary<Axis, double[]> widths = AxisTable.Rows.ToDictionary(row => row.Axis, row => Widths(Key(kind, row.Key)));
        return new Frontier(distances.Select((distance, slice) => new FrontierSlice(
            new SubnetWidths(Enumerable.Range(0, depth).Select(block => AxisTable.Rows.Aggregate(
                default(BlockWidths), (kept, row) => kept.With(row.Axis, (int)widths[row.Axis][(slice * depth) + block])))),
            distance)));

        double[] Widths(string key) =>
            archive.Tensors.TryGetValue(key, out TensorEntry? entry) && entry.Shape.SequenceEqual([count, depth])
                && archive.ReadDoubles(key) is double[] values
                && values.All(value => value is >= 0 and <= int.MaxValue && double.IsInteger(value))
                ? values
                : throw new CheckpointFormatException(
                    archive.Path,
                    string.Create(CultureInfo.InvariantCulture, $"expected whole widths [{count}, {depth}], ")
                        + $"found {entry?.ToString() ?? "no such tensor"}",
                    key);
    }

    private static bool IsWithin(SubnetWidths inner, SubnetWidths outer) => inner.Count == outer.Count
        && Enumerable.Range(0, inner.Count).All(block => AxisTable.Rows.All(row => inner[block][row.Axis] <= outer[block][row.Axis]));

    private static string Key(string kind, string what) => $"{Prefix}.{kind}.{what}";
}
