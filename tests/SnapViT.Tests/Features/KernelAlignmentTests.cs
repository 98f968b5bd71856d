using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Features;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
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
        CloseEach(golden.Matrix($"{family}.module.raw"), found);
        CloseEach(golden.Matrix($"{family}.module.final"), NearestCorrelation.Of(found, Stop));
    }

    // Of the wrapped model with cross-entropy the reference's matrix is that of the model itself. Of the one with the self-supervised loss it gathers
    // the activations of all four crops of 16 images, image by image, and averages those of an image.
    [Theory]
    [InlineData("prunable_ce", false)]
    [InlineData("prunable_dino_patched", true)]
    public void The_matrices_of_wrapped_models_are_the_reference_s(string wrapped, bool ofCrops)
    {
        using Golden golden = Golden.Open("cka", "cka.safetensors");
        using LoadedModel loaded = Golden.Model("timm_vit");
        using DisposeScope scope = NewDisposeScope();
        using KernelAlignment alignment = new(loaded.Model.Architecture);
        if (ofCrops)
        {
            loaded.Model.Tokens(golden.Float("dino_crops").flatten(0, 1), new MeanOfViews(alignment, 4));
        }
        else
        {
            alignment.Add(loaded.Model, golden.Float("images"));
        }

        double[,] found = alignment.Matrix();
        CloseEach(golden.Matrix($"timm_vit.{wrapped}.raw"), found);
        CloseEach(golden.Matrix($"timm_vit.{wrapped}.final"), NearestCorrelation.Of(found, Stop));
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
        CloseEach(golden.Matrix($"out{number}"), found);
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

    /// <summary>Tells of the mean activations over the views of every image, the views of an image being one after the other.</summary>
    private sealed class MeanOfViews(IForwardHook told, long views) : IForwardHook
    {
        void IForwardHook.Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            using DisposeScope scope = NewDisposeScope();
            told.Observe(block, layer, Mean(input), Mean(output));
        }

        private Tensor Mean(Tensor values) => values.detach().view(-1, views, values.shape[1], values.shape[2]).mean([1L]);
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

    private static void CloseEach(double[,] expected, double[,] found)
    {
        Assert.Equal((expected.GetLength(0), expected.GetLength(1)), (found.GetLength(0), found.GetLength(1)));
        Assert.All(
            expected.Cast<double>().Zip(found.Cast<double>()), pair => Assert.Equal(pair.First, pair.Second, 1e-4 * Math.Max(1e-2, Math.Abs(pair.First))));
    }

    private static void Close(double[,] expected, double[,] found, double tolerance)
    {
        Assert.Equal((expected.GetLength(0), expected.GetLength(1)), (found.GetLength(0), found.GetLength(1)));
        Assert.All(expected.Cast<double>().Zip(found.Cast<double>()), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }
}
