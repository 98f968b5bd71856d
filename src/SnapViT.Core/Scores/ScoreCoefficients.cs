using SnapViT.Core.Architecture;

namespace SnapViT.Core.Scores;

/// <summary>
/// The global factors c that weigh blocks and heads against each other: L for the MLPs, then L*A for the heads, block by block. Their
/// absolute values are used (paper, section 3.2). Units of any other axis have the factor 1.
/// </summary>
public sealed class ScoreCoefficients
{
    private readonly SubnetWidths _full;
    private readonly double[] _vector;
    private readonly PerAxis<(int Start, int PerBlock)> _places;

    /// <summary>Takes a copy of a vector of factors.</summary>
    /// <param name="vector">L + L*A factors; a sign is ignored.</param>
    /// <param name="full">
    /// Widths of the unpruned model (<see cref="ViTArchitecture.FullWidths"/>, <see cref="ImportanceScores.Counts"/>).
    /// </param>
    /// <exception cref="ArgumentException">Another length, or a factor that is not finite.</exception>
    public ScoreCoefficients(ReadOnlySpan<double> vector, SubnetWidths full)
    {
        if (vector.Length != Count(full))
        {
            throw new ArgumentException($"coefficients: expected {Count(full)} factors, found {vector.Length}", nameof(vector));
        }

        foreach (double factor in vector)
        {
            if (!double.IsFinite(factor))
            {
                throw new ArgumentException($"coefficients: expected finite factors, found {factor}", nameof(vector));
            }
        }

        (_full, _vector, int start) = (full, vector.ToArray(), 0);
        foreach (AxisFacts row in AxisTable.InPaperOrder)
        {
            int perBlock = PerBlock(full, row);
            _places = _places.With(row.Axis, (start, perBlock));
            start += full.Count * perBlock;
        }
    }

    /// <summary>The factors as they were given, [L + L*A].</summary>
    public ReadOnlySpan<double> Vector => _vector;

    /// <summary>Number of factors, L + L*A.</summary>
    /// <param name="full">Widths of the unpruned model.</param>
    public static int Count(SubnetWidths full)
    {
        ArgumentNullException.ThrowIfNull(full);
        return full.Count * AxisTable.Rows.Sum(row => PerBlock(full, row));
    }

    /// <summary>Factors of 1: scores as they are.</summary>
    /// <param name="full">Widths of the unpruned model.</param>
    public static ScoreCoefficients Equal(SubnetWidths full) => new(Enumerable.Repeat(1.0, Count(full)).ToArray(), full);

    /// <summary>The start of the search, c0: from 1.2 at the first block to 0.8 at the last, for MLPs and heads alike.</summary>
    /// <param name="full">Widths of the unpruned model.</param>
    public static ScoreCoefficients Initial(SubnetWidths full) => Linear(full, 1.2, 0.4);

    /// <summary>Factors that go from one at the first block to another at the last, for MLPs and heads alike.</summary>
    /// <param name="full">Widths of the unpruned model.</param>
    /// <param name="first">Factor of the first block.</param>
    /// <param name="fall">How much less the factor of the last block is.</param>
    internal static ScoreCoefficients Linear(SubnetWidths full, double first, double fall)
    {
        ArgumentNullException.ThrowIfNull(full);
        double[] perBlock =
        [
            .. Enumerable.Range(0, full.Count)
                .Select(block => full.Count == 1 ? first : first - (fall * block / (full.Count - 1))),
        ];
        return new ScoreCoefficients(
            [
                .. AxisTable.InPaperOrder
                    .SelectMany(row => perBlock.SelectMany(value => Enumerable.Repeat(value, PerBlock(full, row)))),
            ],
            full);
    }

    /// <summary>Other factors of the same model.</summary>
    /// <param name="vector">L + L*A factors; a sign is ignored.</param>
    /// <exception cref="ArgumentException">Another length, or a factor that is not finite.</exception>
    public ScoreCoefficients With(ReadOnlySpan<double> vector) => new(vector, _full);

    /// <summary>The factor of a unit, 0 or more: that of a block's MLP for all its neurons, each head's own.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="index">The unit's index in the block.</param>
    public double Of(Axis axis, int block, int index)
    {
        (int start, int perBlock) = _places.Get(axis);
        return perBlock switch
        {
            0 => 1,
            1 => Math.Abs(_vector[start + block]),
            _ => Math.Abs(_vector[start + (block * perBlock) + index]),
        };
    }

    /// <summary>Checks that the factors are those of a model.</summary>
    /// <exception cref="ArgumentException">They are of another number of blocks or heads.</exception>
    internal void RequireFit(SubnetWidths full)
    {
        if (_full.Count != full.Count || AxisTable.Rows.Any(row => PerBlock(_full, row) != PerBlock(full, row)))
        {
            throw new ArgumentException(
                $"coefficients: expected {full.Count} blocks of {full[0][Axis.Heads]} heads, "
                + $"found {_full.Count} of {_full[0][Axis.Heads]}");
        }
    }

    private static int PerBlock(SubnetWidths full, AxisFacts row) => row.FactorsPerBlock(full[0][row.Axis]);
}
