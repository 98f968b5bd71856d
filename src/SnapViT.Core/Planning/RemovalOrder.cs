using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>
/// The order in which neurons and heads are removed from the whole model. Two pools, each ranked over all blocks, the lowest score first, equal
/// scores from the last block and index on, so that what a block keeps is always a prefix of its importance order; the floors of every block
/// never enter. For budgets in one figure the pools are merged along the paper's line of ratio pairs: heads follow 15 points behind neurons.
/// </summary>
internal sealed class RemovalOrder
{
    /// <summary>On the paper's line heads are removed at the MLP ratio less this.</summary>
    private const double HeadsBehind = 0.15;

    private readonly int[] _neuronBlocks;
    private readonly int[] _headBlocks;
    private readonly int[] _headsAfter;

    public RemovalOrder(ViTArchitecture architecture, ImportanceScores scores, ImportanceOrder order, KeepFloors floors)
    {
        int depth = scores.Depth;
        _neuronBlocks = Lowest(depth, floors.Neurons(scores.NeuronsPerBlock), order.Neurons, scores.Neurons);
        _headBlocks = Lowest(depth, floors.Heads(scores.HeadsPerBlock), order.Heads, scores.Heads);
        _headsAfter = Merge((long)depth * architecture.Hidden, (long)depth * architecture.Heads);
    }

    private delegate ReadOnlySpan<T> OfBlock<T>(int block);

    /// <summary>Neurons that may be removed at most.</summary>
    public int Neurons => _neuronBlocks.Length;

    /// <summary>Heads that may be removed at most.</summary>
    public int Heads => _headBlocks.Length;

    /// <summary>Structures of both pools that may be removed at most.</summary>
    public int Length => Neurons + Heads;

    /// <summary>How many neurons and heads are among the first <paramref name="removals"/> of the merged order.</summary>
    public (int Neurons, int Heads) After(int removals) => (removals - _headsAfter[removals], _headsAfter[removals]);

    /// <summary>What every block keeps when so many of either pool are removed.</summary>
    public SubnetWidths Widths(ViTArchitecture architecture, int neurons, int heads)
    {
        int[] neuronsLeft = [.. Enumerable.Repeat(architecture.Hidden, architecture.Depth)];
        int[] headsLeft = [.. Enumerable.Repeat(architecture.Heads, architecture.Depth)];
        foreach (int block in _neuronBlocks.AsSpan(0, neurons))
        {
            neuronsLeft[block]--;
        }

        foreach (int block in _headBlocks.AsSpan(0, heads))
        {
            headsLeft[block]--;
        }

        return new SubnetWidths(headsLeft.Zip(neuronsLeft, (kept, hidden) => new BlockWidths(kept, hidden)));
    }

    private static int[] Lowest(int depth, int floor, OfBlock<int> order, OfBlock<double> scores)
    {
        List<(double Score, int Block, int Index)> removable = [];
        for (int block = 0; block < depth; block++)
        {
            foreach (int index in order(block)[floor..])
            {
                removable.Add((scores(block)[index], block, index));
            }
        }

        removable.Sort((a, b) => a.Score != b.Score ? a.Score.CompareTo(b.Score) : (b.Block, b.Index).CompareTo((a.Block, a.Index)));
        return [.. removable.Select(structure => structure.Block)];
    }

    /// <summary>After every step of the merged order, how many of the removed structures are heads.</summary>
    private int[] Merge(long allNeurons, long allHeads)
    {
        int[] headsAfter = new int[Length + 1];
        int neurons = 0, heads = 0;
        for (int step = 1; step <= Length; step++)
        {
            double neuronAt = neurons < Neurons ? (neurons + 1) / (double)allNeurons : double.PositiveInfinity;
            double headAt = heads < Heads ? HeadsBehind + ((heads + 1) / (double)allHeads) : double.PositiveInfinity;
            if (headAt < neuronAt)
            {
                heads++;
            }
            else
            {
                neurons++;
            }

            headsAfter[step] = heads;
        }

        return headsAfter;
    }
}
