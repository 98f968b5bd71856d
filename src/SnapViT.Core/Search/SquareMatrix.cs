using System.Numerics;
using System.Runtime.InteropServices;

namespace SnapViT.Core.Search;

/// <summary>The little linear algebra that the search needs: products and the exponential of n x n matrices.</summary>
internal static class SquareMatrix
{
    public static double[,] Identity(int n)
    {
        double[,] identity = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            identity[i, i] = 1;
        }

        return identity;
    }

    /// <summary>A copy of a matrix that must be [n, n].</summary>
    /// <exception cref="ArgumentException">It has another shape.</exception>
    public static double[,] Copy(double[,] matrix, int n) => matrix.GetLength(0) == n && matrix.GetLength(1) == n
        ? (double[,])matrix.Clone()
        : throw new ArgumentException($"matrix: expected [{n}, {n}], found [{matrix.GetLength(0)}, {matrix.GetLength(1)}]", nameof(matrix));

    public static double[] Times(double[,] a, double[] x)
    {
        double[] y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            for (int j = 0; j < x.Length; j++)
            {
                y[i] += a[i, j] * x[j];
            }
        }

        return y;
    }

    public static double[,] Times(double[,] a, double[,] b)
    {
        int n = a.GetLength(0);
        double[,] product = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            Span<double> row = Row(product, i);
            for (int k = 0; k < n; k++)
            {
                AddScaled(row, Row(b, k), a[i, k]);
            }
        }

        return product;
    }

    /// <summary>The lower triangular L with <c>L L^T = X + ridge I</c>; null where there is none.</summary>
    /// <param name="x">A symmetric matrix, [n, n].</param>
    /// <param name="ridge">Added to its diagonal.</param>
    public static double[,]? Cholesky(double[,] x, double ridge = 0)
    {
        int n = x.GetLength(0);
        double[,] factor = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = x[i, j] + (i == j ? ridge : 0);
                for (int k = 0; k < j; k++)
                {
                    sum -= factor[i, k] * factor[j, k];
                }

                if (i == j && !(sum > 0))
                {
                    return null;
                }

                factor[i, j] = i == j ? Math.Sqrt(sum) : sum / factor[j, j];
            }
        }

        return factor;
    }

    /// <summary>exp(X) by scaling and squaring with a Taylor series of 18 terms at a norm below 1/2, exact to rounding.</summary>
    public static double[,] Exponential(double[,] x)
    {
        int n = x.GetLength(0);
        double norm = 0;
        for (int i = 0; i < n; i++)
        {
            double sum = 0;
            foreach (double value in Row(x, i))
            {
                sum += Math.Abs(value);
            }

            norm = Math.Max(norm, sum);
        }

        int squarings = norm > 0.5 ? (int)Math.Ceiling(Math.Log2(norm / 0.5)) : 0;
        double[,] scaled = Scale(x, Math.Pow(2, -squarings));
        double[,] result = Identity(n);
        for (int term = 18; term >= 1; term--)
        {
            // Horner: I + X/1 (I + X/2 (I + ...)).
            result = Scale(Times(scaled, result), 1.0 / term);
            for (int i = 0; i < n; i++)
            {
                result[i, i] += 1;
            }
        }

        for (int i = 0; i < squarings; i++)
        {
            result = Times(result, result);
        }

        return result;
    }

    private static double[,] Scale(double[,] matrix, double factor)
    {
        int n = matrix.GetLength(0);
        double[,] scaled = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            AddScaled(Row(scaled, i), Row(matrix, i), factor);
        }

        return scaled;
    }

    private static void AddScaled(Span<double> target, ReadOnlySpan<double> source, double factor)
    {
        int width = Vector<double>.Count, i = 0;
        for (; i <= target.Length - width; i += width)
        {
            (new Vector<double>(target[i..]) + (new Vector<double>(source[i..]) * factor)).CopyTo(target[i..]);
        }

        for (; i < target.Length; i++)
        {
            target[i] += source[i] * factor;
        }
    }

    private static Span<double> Row(double[,] matrix, int row) =>
        MemoryMarshal.CreateSpan(ref matrix[row, 0], matrix.GetLength(1));
}
