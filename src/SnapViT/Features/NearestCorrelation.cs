using SnapViT.Core.Errors;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Features;

/// <summary>
/// The correlation matrix nearest to a symmetric matrix in the Frobenius norm, by alternating projections with Dykstra's correction
/// (Higham, "Computing the nearest correlation matrix", 2002): onto matrices without negative eigenvalues, then onto those with ones on
/// the diagonal.
/// </summary>
internal static class NearestCorrelation
{
    /// <summary>Eigenvalues are raised to this much, and projections end when none is below it; as in the reference.</summary>
    public const double LeastEigenvalue = 1e-15;

    /// <summary>Projections at most, times the rows of the matrix; as in the reference.</summary>
    public const int RoundsPerRow = 100;

    /// <summary>Finds it.</summary>
    /// <param name="matrix">A symmetric matrix, [n, n].</param>
    /// <param name="cancellation">Stops between two projections.</param>
    /// <returns>
    /// The matrix itself, but for rounding, where it has no eigenvalue below <see cref="LeastEigenvalue"/>. Projections that have not come
    /// to their end after their number leave what they had: ones on the diagonal, and eigenvalues below 0 by rounding.
    /// </returns>
    /// <exception cref="ArgumentException">The matrix is not square.</exception>
    /// <exception cref="SnapViTException">A value is not finite.</exception>
    public static double[,] Of(double[,] matrix, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        int n = matrix.GetLength(0);
        if (matrix.GetLength(1) != n)
        {
            throw new ArgumentException($"correlation: expected a square matrix, found [{n}, {matrix.GetLength(1)}]", nameof(matrix));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor found = tensor(matrix.Cast<double>().ToArray(), [n, n]);
        if (!found.isfinite().all().item<bool>())
        {
            throw new SnapViTException(ErrorKind.Numbers, "correlation: expected finite values, found NaN or infinite ones");
        }

        Tensor correction = zeros_like(found);
        for (int round = 0; round < n * RoundsPerRow; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope ofRound = NewDisposeScope();
            Tensor adjusted = found.Minus(correction);
            (Tensor projected, bool isPositive) = WithoutNegative(adjusted);
            found.Dispose();
            if (isPositive)
            {
                return KernelAlignment.Square(projected);
            }

            correction.Dispose();
            correction = projected.Minus(adjusted).MoveToOuterDisposeScope();
            using Tensor diagonal = projected.diagonal(), ones = torch.ones_like(diagonal);
            diagonal.copy_(ones).Dispose();
            found = projected.MoveToOuterDisposeScope();
        }

        return KernelAlignment.Square(found);
    }

    private static (Tensor Projected, bool IsPositive) WithoutNegative(Tensor matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor values, Tensor vectors) = linalg.eigh(matrix);
        using Scalar least = LeastEigenvalue.ToScalar();
        Tensor raised = values.clamp_min(least);
        bool isPositive = values.ge(least).all().item<bool>();
        return (vectors.mul(raised.unsqueeze(0)).mm(vectors.t()).MoveToOuterDisposeScope(), isPositive);
    }
}
