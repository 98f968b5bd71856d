namespace SnapViT.Core.Scores;

/// <summary>
/// The global factors c that weigh blocks and heads against each other: L for the MLPs, then L*A for the heads, block by block. Their absolute
/// values are used (paper, section 3.2).
/// </summary>
public sealed class ScoreCoefficients
{
    private readonly double[] _vector;

    /// <summary>Takes a copy of a vector of factors.</summary>
    /// <param name="vector">L + L*A factors; a sign is ignored.</param>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="headsPerBlock">Heads per block, A.</param>
    /// <exception cref="ArgumentException">Another length, or a factor that is not finite.</exception>
    public ScoreCoefficients(ReadOnlySpan<double> vector, int depth, int headsPerBlock)
    {
        if (vector.Length != Count(depth, headsPerBlock))
        {
            throw new ArgumentException($"coefficients: expected {Count(depth, headsPerBlock)} factors, found {vector.Length}", nameof(vector));
        }

        foreach (double factor in vector)
        {
            if (!double.IsFinite(factor))
            {
                throw new ArgumentException($"coefficients: expected finite factors, found {factor}", nameof(vector));
            }
        }

        Depth = depth;
        HeadsPerBlock = headsPerBlock;
        _vector = vector.ToArray();
    }

    /// <summary>Blocks, L.</summary>
    public int Depth { get; }

    /// <summary>Heads per block, A.</summary>
    public int HeadsPerBlock { get; }

    /// <summary>The factors as they were given, [L + L*A].</summary>
    public ReadOnlySpan<double> Vector => _vector;

    /// <summary>Number of factors, L + L*A.</summary>
    public static int Count(int depth, int headsPerBlock) => depth + (depth * headsPerBlock);

    /// <summary>Factors of 1: scores as they are.</summary>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="headsPerBlock">Heads per block, A.</param>
    public static ScoreCoefficients Equal(int depth, int headsPerBlock) =>
        new(Enumerable.Repeat(1.0, Count(depth, headsPerBlock)).ToArray(), depth, headsPerBlock);

    /// <summary>The start of the search, c0: from 1.2 at the first block to 0.8 at the last, for MLPs and heads alike.</summary>
    public static ScoreCoefficients Initial(int depth, int headsPerBlock)
    {
        double[] vector = new double[Count(depth, headsPerBlock)];
        for (int block = 0; block < depth; block++)
        {
            double value = depth == 1 ? 1.2 : 1.2 - (0.4 * block / (depth - 1));
            vector[block] = value;
            vector.AsSpan(depth + (block * headsPerBlock), headsPerBlock).Fill(value);
        }

        return new ScoreCoefficients(vector, depth, headsPerBlock);
    }

    /// <summary>The factor of a block's MLP, 0 or more.</summary>
    public double Mlp(int block) => Math.Abs(_vector[block]);

    /// <summary>The factor of a head, 0 or more.</summary>
    public double Head(int block, int head) => Math.Abs(_vector[Depth + (block * HeadsPerBlock) + head]);
}
