using CsCheck;
using SnapViT.Core.Search;

namespace SnapViT.Core.Tests.Search;

public sealed class SquareMatrixTests
{
    private static readonly Gen<double[,]> Matrices = Gen.Int[1, 9].SelectMany(n => Gen.Double[-2, 2].Array2D[n, n]);

    [Fact]
    public void The_exponential_of_zero_is_the_identity() => Assert.Equal(SquareMatrix.Identity(5), SquareMatrix.Exponential(new double[5, 5]));

    [Fact]
    public void The_exponential_of_a_diagonal_is_that_of_its_entries()
    {
        double[] diagonal = [-30, -1, 0, 1e-9, 0.5, 3, 20];
        double[,] matrix = new double[7, 7];
        for (int i = 0; i < 7; i++)
        {
            matrix[i, i] = diagonal[i];
        }

        double[,] exponential = SquareMatrix.Exponential(matrix);
        for (int i = 0; i < 7; i++)
        {
            for (int j = 0; j < 7; j++)
            {
                double expected = i == j ? Math.Exp(diagonal[i]) : 0;
                Assert.Equal(expected, exponential[i, j], expected * 1e-12);
            }
        }
    }

    [Fact]
    public void The_exponential_of_a_rotation_generator_is_the_rotation()
    {
        double[,] rotation = SquareMatrix.Exponential(new[,] { { 0, -2.5 }, { 2.5, 0 } });
        Near(new[,] { { Math.Cos(2.5), -Math.Sin(2.5) }, { Math.Sin(2.5), Math.Cos(2.5) } }, rotation, 1e-14);
    }

    [Fact]
    public void The_exponential_of_a_nilpotent_matrix_is_its_finite_series() =>
        Near(new[,] { { 1, 2, 3 + 4.0 }, { 0, 1, 4 }, { 0, 0, 1 } }, SquareMatrix.Exponential(new[,] { { 0.0, 2, 3 }, { 0, 0, 4 }, { 0, 0, 0 } }), 1e-13);

    [Fact]
    public void The_exponentials_of_a_matrix_and_its_negative_are_inverse() => Matrices.Sample(
        x =>
        {
            double[,] positive = SquareMatrix.Exponential(x), negative = SquareMatrix.Exponential(Negated(x));
            double scale = positive.Cast<double>().Max(Math.Abs) * negative.Cast<double>().Max(Math.Abs);
            Near(SquareMatrix.Identity(x.GetLength(0)), SquareMatrix.Times(positive, negative), 1e-12 * Math.Max(1, scale));
        },
        iter: 200);

    [Fact]
    public void A_product_is_the_sum_of_products() => Gen.Select(Gen.Double[-2, 2].Array2D[7, 7], Gen.Double[-2, 2].Array2D[7, 7]).Sample(
        (a, b) =>
        {
            double[,] product = SquareMatrix.Times(a, b);
            for (int j = 0; j < 7; j++)
            {
                double[] column = SquareMatrix.Times(a, [.. Enumerable.Range(0, 7).Select(k => b[k, j])]);
                for (int i = 0; i < 7; i++)
                {
                    Assert.Equal(Enumerable.Range(0, 7).Sum(k => a[i, k] * b[k, j]), product[i, j], 1e-13);
                    Assert.Equal(product[i, j], column[i], 1e-13);
                }
            }
        },
        iter: 100);

    private static double[,] Negated(double[,] matrix)
    {
        double[,] negated = (double[,])matrix.Clone();
        for (int i = 0; i < matrix.GetLength(0); i++)
        {
            for (int j = 0; j < matrix.GetLength(1); j++)
            {
                negated[i, j] = -matrix[i, j];
            }
        }

        return negated;
    }

    private static void Near(double[,] expected, double[,] found, double tolerance)
    {
        Assert.Equal(expected.GetLength(0), found.GetLength(0));
        foreach ((double left, double right) in expected.Cast<double>().Zip(found.Cast<double>()))
        {
            Assert.Equal(left, right, tolerance);
        }
    }
}
