using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>
/// Neurons and heads in one order by score per unit of cost. Within a block structures still go from the least important on: where a later one
/// saves more per score than an earlier one, the two go together at their joint rate (pool adjacent violators), which is the best that an order
/// of prefixes can do. Equal rates go as the paper's pools do.
/// </summary>
internal static class JointOrder
{
    /// <summary>Sorts the merged pools.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="merged">All steps, one structure each, with their scores, as the paper's pools are merged.</param>
    /// <param name="cost">What structures save.</param>
    /// <param name="headScale">What the heads' scores are multiplied by; 1 where they compare with the neurons'.</param>
    public static IEnumerable<RemovalStep> Sort(ViTArchitecture architecture, (RemovalStep Step, double Score)[] merged, PlanCost cost, double headScale)
    {
        double[] rates = new double[merged.Length];
        double largest = merged.Select(entry => entry.Score).DefaultIfEmpty().Max();
        foreach (IGrouping<(int, bool), int> branch in Enumerable.Range(0, merged.Length).GroupBy(at => (merged[at].Step.Block, merged[at].Step.OfHeads)))
        {
            int[] places = [.. branch];
            bool ofHeads = merged[places[0]].Step.OfHeads;
            int width = ofHeads ? architecture.Heads : architecture.MlpDim;
            double[] saved = [.. places.Select((_, removed) => ofHeads ? cost.Head(width - removed) : cost.Neuron(width - removed))];

            // Relative to the largest, so that no sum overflows.
            double[] lost = [.. places.Select(at => largest > 0 ? merged[at].Score / largest * (ofHeads ? headScale : 1) : 0)];
            double[] branchRates = NonDecreasing(lost, saved);
            for (int i = 0; i < places.Length; i++)
            {
                rates[places[i]] = branchRates[i];
            }
        }

        // A stable sort: equal rates stay in the order of the pools, and so does every block.
        return Enumerable.Range(0, merged.Length).OrderBy(at => rates[at]).Select(at => merged[at].Step);
    }

    /// <summary>The factor of <see cref="Allocation.JointBalanced"/>; 1 where a pool has no score or no cost.</summary>
    public static double HeadScale(ViTArchitecture architecture, Scores.ImportanceScores scores, PlanCost cost)
    {
        double largest = 0, neurons = 0, heads = 0;
        for (int block = 0; block < scores.Depth; block++)
        {
            largest = Math.Max(largest, Math.Max(scores.Neurons(block).ToArray().Max(), scores.Heads(block).ToArray().Max()));
        }

        if (largest == 0)
        {
            return 1;
        }

        for (int block = 0; block < scores.Depth; block++)
        {
            neurons += scores.Neurons(block).ToArray().Sum(score => score / largest);
            heads += scores.Heads(block).ToArray().Sum(score => score / largest);
        }

        double neuronCost = Enumerable.Range(1, architecture.MlpDim).Sum(cost.Neuron), headCost = Enumerable.Range(1, architecture.Heads).Sum(cost.Head);
        double scale = neurons / neuronCost / (heads / headCost);
        return double.IsFinite(scale) && scale > 0 ? scale : 1;
    }

    /// <summary>Lost per saved of every element, neighbours pooled until it never falls.</summary>
    private static double[] NonDecreasing(double[] lost, double[] saved)
    {
        Stack<(double Lost, double Saved, int Count)> groups = new();
        for (int i = 0; i < lost.Length; i++)
        {
            (double Lost, double Saved, int Count) group = (lost[i], saved[i], 1);
            while (groups.TryPeek(out (double Lost, double Saved, int Count) before) && Rate(before) > Rate(group))
            {
                groups.Pop();
                group = (before.Lost + group.Lost, before.Saved + group.Saved, before.Count + group.Count);
            }

            groups.Push(group);
        }

        return [.. groups.Reverse().SelectMany(group => Enumerable.Repeat(Rate(group), group.Count))];
    }

    /// <summary>What saves nothing goes last, even where it loses nothing: it may well be worth something.</summary>
    private static double Rate((double Lost, double Saved, int Count) group) => group.Saved > 0 ? group.Lost / group.Saved : double.PositiveInfinity;
}
