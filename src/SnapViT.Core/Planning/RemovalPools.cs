using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>
/// The two pools of the paper, each ranked over all blocks: the lowest score first, equal scores from the last block and index on, so that what
/// a block keeps is always a prefix of its importance order; the floors of every block never enter.
/// </summary>
internal sealed class RemovalPools
{
    /// <summary>On the paper's line heads are removed at the MLP ratio less this.</summary>
    private const double HeadsBehind = 0.15;

    private readonly long _allNeurons;
    private readonly long _allHeads;

    public RemovalPools(ViTArchitecture architecture, ImportanceScores scores, ImportanceOrder order, KeepFloors floors)
    {
        (_allNeurons, _allHeads) = ((long)architecture.Depth * architecture.MlpDim, (long)architecture.Depth * architecture.Heads);
        (Neurons, NeuronScores) = Lowest(scores.Depth, floors.Neurons(scores.NeuronsPerBlock), ofHeads: false, order.Neurons, scores.Neurons);
        (Heads, HeadScores) = Lowest(scores.Depth, floors.Heads(scores.HeadsPerBlock), ofHeads: true, order.Heads, scores.Heads);
    }

    private delegate ReadOnlySpan<T> OfBlock<T>(int block);

    /// <summary>All neurons that may be removed, one a step.</summary>
    public IReadOnlyList<RemovalStep> Neurons { get; }

    /// <summary>All heads that may be removed, one a step.</summary>
    public IReadOnlyList<RemovalStep> Heads { get; }

    /// <summary>The score that goes with each step of <see cref="Neurons"/>.</summary>
    public IReadOnlyList<double> NeuronScores { get; }

    /// <summary>The score that goes with each step of <see cref="Heads"/>.</summary>
    public IReadOnlyList<double> HeadScores { get; }

    /// <summary>Both pools as one order along the paper's line of ratio pairs: heads 15 points behind neurons.</summary>
    /// <returns>Every step with its score.</returns>
    public (RemovalStep Step, double Score)[] Merged()
    {
        (RemovalStep, double)[] merged = new (RemovalStep, double)[Neurons.Count + Heads.Count];
        int neurons = 0, heads = 0;
        for (int at = 0; at < merged.Length; at++)
        {
            double neuronAt = neurons < Neurons.Count ? (neurons + 1) / (double)_allNeurons : double.PositiveInfinity;
            double headAt = heads < Heads.Count ? HeadsBehind + ((heads + 1) / (double)_allHeads) : double.PositiveInfinity;
            merged[at] = headAt < neuronAt ? (Heads[heads], HeadScores[heads++]) : (Neurons[neurons], NeuronScores[neurons++]);
        }

        return merged;
    }

    private static (RemovalStep[] Steps, double[] Scores) Lowest(int depth, int floor, bool ofHeads, OfBlock<int> order, OfBlock<double> scores)
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
        return ([.. removable.Select(structure => new RemovalStep(structure.Block, ofHeads))], [.. removable.Select(structure => structure.Score)]);
    }
}
