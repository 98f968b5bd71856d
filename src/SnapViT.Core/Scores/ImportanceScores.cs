namespace SnapViT.Core.Scores;

/// <summary>
/// One score per MLP neuron and per attention head: the larger, the more it matters. Double throughout, since scores reach down to 1e-45.
/// </summary>
public sealed class ImportanceScores
{
    private readonly double[][] _neurons;
    private readonly double[][] _heads;

    /// <summary>Takes a copy of the scores.</summary>
    /// <param name="neurons">Scores of the neurons, [L, H].</param>
    /// <param name="heads">Scores of the heads, [L, A].</param>
    /// <exception cref="ArgumentException">The blocks differ in number, there is none, or a score is NaN, infinite or negative; the message names it.</exception>
    public ImportanceScores(double[,] neurons, double[,] heads)
    {
        ArgumentNullException.ThrowIfNull(neurons);
        ArgumentNullException.ThrowIfNull(heads);
        if (neurons.GetLength(0) != heads.GetLength(0) || neurons.Length == 0 || heads.Length == 0)
        {
            throw new ArgumentException(
                $"scores: expected neurons [L, H] and heads [L, A] of the same blocks, found [{neurons.GetLength(0)}, {neurons.GetLength(1)}] and [{heads.GetLength(0)}, {heads.GetLength(1)}]");
        }

        _neurons = Rows(neurons, "neuron");
        _heads = Rows(heads, "head");
    }

    private ImportanceScores(double[][] neurons, double[][] heads)
    {
        _neurons = neurons;
        _heads = heads;
    }

    /// <summary>Blocks, L.</summary>
    public int Depth => _neurons.Length;

    /// <summary>Neurons per block, H.</summary>
    public int NeuronsPerBlock => _neurons[0].Length;

    /// <summary>Heads per block, A.</summary>
    public int HeadsPerBlock => _heads[0].Length;

    /// <summary>Scores of the neurons of one block, [H].</summary>
    public ReadOnlySpan<double> Neurons(int block) => _neurons[block];

    /// <summary>Scores of the heads of one block, [A].</summary>
    public ReadOnlySpan<double> Heads(int block) => _heads[block];

    /// <summary>Scores times global factors, <c>P = s |c|</c> (paper, section 3.2).</summary>
    /// <param name="coefficients">One factor per block's MLP and one per head.</param>
    /// <exception cref="ArgumentException">The factors are of another architecture.</exception>
    public ImportanceScores Scaled(ScoreCoefficients coefficients)
    {
        ArgumentNullException.ThrowIfNull(coefficients);
        if (coefficients.Depth != Depth || coefficients.HeadsPerBlock != HeadsPerBlock)
        {
            throw new ArgumentException(
                $"coefficients: expected {Depth} blocks of {HeadsPerBlock} heads, found {coefficients.Depth} of {coefficients.HeadsPerBlock}", nameof(coefficients));
        }

        double[][] neurons = [.. _neurons.Select((row, block) => row.Select(score => score * coefficients.Mlp(block)).ToArray())];
        double[][] heads = [.. _heads.Select((row, block) => row.Select((score, head) => score * coefficients.Head(block, head)).ToArray())];
        return new ImportanceScores(neurons, heads);
    }

    /// <summary>Other scores for the neurons; those of the heads stay.</summary>
    /// <param name="neurons">Scores of the neurons, [L, H].</param>
    /// <exception cref="ArgumentException">They are of other counts, or a score is NaN, infinite or negative; the message names it.</exception>
    public ImportanceScores WithNeurons(double[,] neurons)
    {
        ArgumentNullException.ThrowIfNull(neurons);
        return (neurons.GetLength(0), neurons.GetLength(1)) == (Depth, NeuronsPerBlock)
            ? new ImportanceScores(Rows(neurons, "neuron"), _heads)
            : throw new ArgumentException($"scores: expected neurons [{Depth}, {NeuronsPerBlock}], found [{neurons.GetLength(0)}, {neurons.GetLength(1)}]", nameof(neurons));
    }

    /// <summary>
    /// Every block's scores divided by the block's mean, neurons and heads apart, so that no block ranks low for the unit of its scores (Pham, 2026). A
    /// block of zeros stays one.
    /// </summary>
    public ImportanceScores DividedByBlockMean() => new([.. _neurons.Select(DividedByMean)], [.. _heads.Select(DividedByMean)]);

    /// <summary>By the largest first: a mean of the smallest doubles would vanish, one of the largest overflow.</summary>
    private static double[] DividedByMean(double[] row)
    {
        double largest = row.Max();
        double[] relative = [.. row.Select(score => largest > 0 ? score / largest : 0)];
        double mean = relative.Average();
        return [.. relative.Select(score => mean > 0 ? score / mean : 0)];
    }

    private static double[][] Rows(double[,] scores, string structure)
    {
        double[][] rows = new double[scores.GetLength(0)][];
        for (int block = 0; block < rows.Length; block++)
        {
            rows[block] = new double[scores.GetLength(1)];
            for (int i = 0; i < rows[block].Length; i++)
            {
                double score = scores[block, i];
                rows[block][i] = double.IsFinite(score) && score >= 0
                    ? score
                    : throw new ArgumentException($"scores: block {block}, {structure} {i}: expected a finite score of 0 or more, found {score}");
            }
        }

        return rows;
    }
}
