using SnapViT.Core.Architecture;

namespace SnapViT.Core.Scores;

/// <summary>
/// The neurons and heads of every block from the most to the least important; equal scores in the order of their indices. Every sub-network is
/// a prefix of it.
/// </summary>
public sealed class ImportanceOrder
{
    private readonly int[][] _neurons;
    private readonly int[][] _heads;

    /// <summary>Sorts the structures of every block.</summary>
    public ImportanceOrder(ImportanceScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        _neurons = [.. Enumerable.Range(0, scores.Depth).Select(block => Descending(scores.Neurons(block)))];
        _heads = [.. Enumerable.Range(0, scores.Depth).Select(block => Descending(scores.Heads(block)))];
    }

    /// <summary>Original indices of a block's neurons, the most important first, [H].</summary>
    public ReadOnlySpan<int> Neurons(int block) => _neurons[block];

    /// <summary>Original indices of a block's heads, the most important first, [A].</summary>
    public ReadOnlySpan<int> Heads(int block) => _heads[block];

    /// <summary>Original indices of a block's heads or neurons, the most important first.</summary>
    public ReadOnlySpan<int> Of(Axis axis, int block) => axis == Axis.Heads ? Heads(block) : Neurons(block);

    private static int[] Descending(ReadOnlySpan<double> scores)
    {
        double[] values = scores.ToArray();
        int[] order = [.. Enumerable.Range(0, values.Length)];
        Array.Sort(order, (a, b) => values[a] == values[b] ? a.CompareTo(b) : values[b].CompareTo(values[a]));
        return order;
    }
}
