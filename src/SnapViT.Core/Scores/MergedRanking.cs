namespace SnapViT.Core.Scores;

/// <summary>
/// One ranking of neurons from two: those removed first by scores that suit small cuts, the rest by scores that suit large ones. Every sub-network is
/// still a prefix of one order.
/// </summary>
public static class MergedRanking
{
    /// <summary>
    /// The neurons in the merged order with the scores of <paramref name="deep"/>: the n-th to go has its n-th smallest, so that scores keep their unit
    /// and neurons compare with heads as before. Heads are those of <paramref name="deep"/>.
    /// </summary>
    /// <param name="deep">Scores for large cuts.</param>
    /// <param name="light">Scores for small cuts; only their order matters.</param>
    /// <param name="share">Share of all neurons that go by <paramref name="light"/>, 0..1; 0 leaves the scores as they are.</param>
    /// <exception cref="ArgumentException">The scores are of two architectures, or the share is out of range.</exception>
    public static ImportanceScores Of(ImportanceScores deep, ImportanceScores light, double share)
    {
        ArgumentNullException.ThrowIfNull(deep);
        ArgumentNullException.ThrowIfNull(light);
        if ((deep.Depth, deep.NeuronsPerBlock, deep.HeadsPerBlock) != (light.Depth, light.NeuronsPerBlock, light.HeadsPerBlock))
        {
            throw new ArgumentException("merged ranking: expected two rankings of one architecture", nameof(light));
        }

        if (!(share >= 0 && share <= 1))
        {
            throw new ArgumentException(FormattableString.Invariant($"merged ranking: expected a share in 0..1, found {share}"), nameof(share));
        }

        Neuron[] byLight = Ascending(light), byDeep = Ascending(deep);
        int count = (int)(share * byDeep.Length);
        HashSet<(int, int)> first = [.. byLight.Take(count).Select(neuron => (neuron.Block, neuron.Index))];
        IEnumerable<Neuron> order = byLight.Take(count).Concat(byDeep.Where(neuron => !first.Contains((neuron.Block, neuron.Index))));
        return count == 0 ? deep : deep.WithNeurons(Ranked(deep, order, byDeep));
    }

    /// <summary>All neurons as they are removed: the lowest score first, equal ones from the last block and index on.</summary>
    private static Neuron[] Ascending(ImportanceScores scores)
    {
        IEnumerable<Neuron> all = Enumerable.Range(0, scores.Depth).SelectMany(block => scores.Neurons(block).ToArray().Select((score, index) => new Neuron(block, index, score)));
        return [.. all.OrderBy(neuron => neuron.Score).ThenByDescending(neuron => neuron.Block).ThenByDescending(neuron => neuron.Index)];
    }

    private static double[,] Ranked(ImportanceScores deep, IEnumerable<Neuron> order, Neuron[] byDeep)
    {
        double[,] scores = new double[deep.Depth, deep.NeuronsPerBlock];
        double last = double.NegativeInfinity;
        foreach ((Neuron neuron, int place) in order.Select((neuron, place) => (neuron, place)))
        {
            // Equal scores would be ordered by their indices again.
            last = Math.Min(double.MaxValue, Math.Max(byDeep[place].Score, Math.BitIncrement(last)));
            scores[neuron.Block, neuron.Index] = last;
        }

        return scores;
    }

    private readonly record struct Neuron(int Block, int Index, double Score);
}
