using SnapViT.Core.Errors;
using SnapViT.Features;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Features;

// Numbers: golden/cka, 32 images; of the matrix that the reference ends with "corr_nearest" of another package.
[LeakCheck]
public sealed class KernelAlignmentTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("timm_vit")]
    [InlineData("dinov3_mlp")]
    [InlineData("siglip2")]
    public void Alignment_and_the_nearest_correlation_matrix_are_the_reference_s(string family)
    {
        using Golden golden = Golden.Open("cka", "cka.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        double[,] found = Of(loaded.Model, golden, 12);
        Close(golden.Matrix($"{family}.module.raw"), found, 1e-4);
        Close(golden.Matrix($"{family}.module.final"), NearestCorrelation.Of(found, Stop), 1e-4);
    }

    // The reference crashes on SwiGLU; the output of w1 is taken here. What is true of any alignment holds.
    [Fact]
    public void An_alignment_is_symmetric_between_0_and_1_and_the_same_in_any_batches()
    {
        using Golden golden = Golden.Open("cka", "cka.safetensors");
        using LoadedModel loaded = Golden.Model("dinov3_swiglu");
        double[,] found = Of(loaded.Model, golden, 32), batches = Of(loaded.Model, golden, 5);
        for (int i = 0; i < found.GetLength(0); i++)
        {
            Assert.Equal(1, found[i, i]);
            for (int j = 0; j < i; j++)
            {
                Assert.InRange(found[i, j], 0, 1);
                Assert.Equal(found[i, j], found[j, i], 1e-12);
                Assert.Equal(found[i, j], batches[i, j], 1e-5);
            }
        }
    }

    [Fact]
    public void Images_that_are_all_the_same_are_refused()
    {
        using LoadedModel loaded = Golden.Model("timm_vit");
        using KernelAlignment alignment = new(loaded.Model.Architecture);
        using Tensor images = zeros(3, 3, 32, 32);
        alignment.Add(loaded.Model, images);
        Assert.Contains("differ between images", Assert.Throws<SnapViTException>(alignment.Matrix).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Nearest_correlation_matrices_are_the_reference_s(int number)
    {
        using Golden golden = Golden.Open("cka", "corr_nearest.safetensors");
        double[,] found = NearestCorrelation.Of(golden.Matrix($"in{number}"), TestContext.Current.CancellationToken);
        Close(golden.Matrix($"out{number}"), found, 1e-4);
    }

    // Higham (2002), section 4: the tridiagonal matrix of order 3 whose nearest correlation matrix has these off-diagonals.
    [Fact]
    public void A_published_example_has_its_published_answer()
    {
        double[,] found = NearestCorrelation.Of(
            new double[,] { { 1, 1, 0 }, { 1, 1, 1 }, { 0, 1, 1 } }, TestContext.Current.CancellationToken);
        Close(new double[,] { { 1, 0.7607, 0.1573 }, { 0.7607, 1, 0.7607 }, { 0.1573, 0.7607, 1 } }, found, 1e-4);
    }

    [Fact]
    public void What_is_no_matrix_of_numbers_is_refused()
    {
        Assert.Throws<ArgumentException>(() => NearestCorrelation.Of(new double[2, 3], Stop));
        Assert.Throws<SnapViTException>(() => NearestCorrelation.Of(new double[,] { { 1, double.NaN }, { double.NaN, 1 } }, Stop));
    }

    private static double[,] Of(VisionTransformer model, Golden golden, int size)
    {
        using Tensor images = golden.Float("images");
        using KernelAlignment alignment = new(model.Architecture);
        for (int start = 0; start < 32; start += size)
        {
            using Tensor batch = images.narrow(0, start, Math.Min(size, 32 - start));
            alignment.Add(model, batch);
        }

        return alignment.Matrix();
    }

    private static void Close(double[,] expected, double[,] found, double tolerance)
    {
        Assert.Equal((expected.GetLength(0), expected.GetLength(1)), (found.GetLength(0), found.GetLength(1)));
        Assert.All(expected.Cast<double>().Zip(found.Cast<double>()), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }
}
