namespace SnapViT.Tests.Elastic;

/// <summary>Small symmetric matrices in plain loops, so that what the library computes by torch is checked by something else.</summary>
internal static class SymmetricMatrix
{
    /// <summary>Sum of x x^T over rows x, divided by their number; centred on request by the rows' mean.</summary>
    public static double[,] Moments(IReadOnlyList<double[]> rows, bool centred = false)
    {
        int n = rows[0].Length;
        double[] mean = [.. Enumerable.Range(0, n).Select(i => centred ? rows.Average(row => row[i]) : 0)];
        double[,] sum = new double[n, n];
        foreach (double[] row in rows)
        {
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < n; j++)
                {
                    sum[i, j] += (row[i] - mean[i]) * (row[j] - mean[j]) / rows.Count;
                }
            }
        }

        return sum;
    }

    /// <summary>Eigenvalues of a product of two symmetric matrices, the first positive definite; the largest first.</summary>
    public static double[] EigenvaluesOfProduct(double[,] first, double[,] second)
    {
        double[,] lower = Cholesky(first);
        return Eigenvalues(Product(Transposed(lower), Product(second, lower)));
    }

    public static double[,] Product(double[,] left, double[,] right)
    {
        double[,] product = new double[left.GetLength(0), right.GetLength(1)];
        for (int i = 0; i < product.GetLength(0); i++)
        {
            for (int j = 0; j < product.GetLength(1); j++)
            {
                for (int k = 0; k < left.GetLength(1); k++)
                {
                    product[i, j] += left[i, k] * right[k, j];
                }
            }
        }

        return product;
    }

    public static double[,] Transposed(double[,] matrix)
    {
        double[,] transposed = new double[matrix.GetLength(1), matrix.GetLength(0)];
        for (int i = 0; i < matrix.GetLength(0); i++)
        {
            for (int j = 0; j < matrix.GetLength(1); j++)
            {
                transposed[j, i] = matrix[i, j];
            }
        }

        return transposed;
    }

    private static double[,] Cholesky(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        double[,] lower = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double rest = matrix[i, j];
                for (int k = 0; k < j; k++)
                {
                    rest -= lower[i, k] * lower[j, k];
                }

                lower[i, j] = i == j ? Math.Sqrt(Math.Max(rest, 1e-18)) : rest / lower[j, j];
            }
        }

        return lower;
    }

    /// <summary>Jacobi's rotations.</summary>
    private static double[] Eigenvalues(double[,] symmetric)
    {
        int n = symmetric.GetLength(0);
        double[,] a = (double[,])symmetric.Clone();
        for (int sweep = 0; sweep < 60; sweep++)
        {
            for (int p = 0; p < n; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    double angle = 0.5 * Math.Atan2(2 * a[p, q], a[q, q] - a[p, p]), c = Math.Cos(angle), s = Math.Sin(angle);
                    for (int k = 0; k < n; k++)
                    {
                        (a[k, p], a[k, q]) = ((c * a[k, p]) - (s * a[k, q]), (s * a[k, p]) + (c * a[k, q]));
                    }

                    for (int k = 0; k < n; k++)
                    {
                        (a[p, k], a[q, k]) = ((c * a[p, k]) - (s * a[q, k]), (s * a[p, k]) + (c * a[q, k]));
                    }
                }
            }
        }

        return [.. Enumerable.Range(0, n).Select(i => a[i, i]).OrderDescending()];
    }
}
