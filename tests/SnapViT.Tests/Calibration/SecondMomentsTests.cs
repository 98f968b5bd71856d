using SnapViT.Calibration;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Calibration;

public sealed class SecondMomentsTests
{
    private const int Images = 6, Tokens = 11;

    // Widths around the columns that are multiplied at a time.
    [Theory, LeakCheck]
    [InlineData(1, false)]
    [InlineData(191, true)]
    [InlineData(192, false)]
    [InlineData(193, true)]
    [InlineData(500, true)]
    public void Two_batches_give_the_weighted_mean_and_products_of_all_tokens(int width, bool weighted)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator random = new(7);
        Tensor x = randn([Images, Tokens, width], generator: random).add(1);
        Tensor weights = weighted ? cat([full(2, 20f), ones(Tokens - 2)]) : ones(Tokens);
        using SecondMoments moments = new(width);
        moments.Add(x.narrow(0, 0, 4), weighted ? weights : null);
        moments.Add(x.narrow(0, 4, 2), weighted ? weights : null);

        Tensor rows = x.reshape(-1, width).to(ScalarType.Float64);
        Tensor each = weights.to(ScalarType.Float64).repeat(Images).unsqueeze(1);
        double total = each.sum().item<double>();
        Tensor mean = (rows * each).sum([0]) / total, products = (rows * each).t().mm(rows) / total;

        Assert.Equal(total, moments.Weight, 1e-9);
        moments.Mean().ShouldBeWithinOfLargest(1e-12, mean);
        moments.Products().ShouldBeWithinOfLargest(1e-6, products);
        moments.Covariance().ShouldBeWithinOfLargest(2e-6, products - mean.outer(mean));
        Assert.Equal(0, moments.Products().Minus(moments.Products().t()).abs().max().item<double>());
    }
}
