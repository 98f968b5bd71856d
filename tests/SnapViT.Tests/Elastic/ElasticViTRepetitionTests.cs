using SnapViT.Core.Planning;
using SnapViT.Tests.Workflows;
using TorchSharp;

namespace SnapViT.Tests.Elastic;

/// <summary>A program that opens, uses and disposes models all day needs no more at its end than at its beginning.</summary>
[LeakCheck]
public sealed class ElasticViTRepetitionTests : IDisposable
{
    private const int Iterations = 200;

    /// <summary>Managed memory that 200 iterations may add: less than a kilobyte each, where one model's managed part takes ten times that.</summary>
    private const long MostGrowth = Iterations * 1024;

    private readonly BuildSite _site = new();
    private readonly string _photo;

    public ElasticViTRepetitionTests()
    {
        _site.Build(BuildSite.Options with { Evaluations = 0, KeepMoments = true });
        _photo = Directory.EnumerateFiles(_site.Images).Order(StringComparer.Ordinal).First();
    }

    public void Dispose() => _site.Dispose();

    [Fact]
    public void Opening_cutting_embedding_and_disposing_keeps_nothing() => AssertConstant(_ =>
    {
        using ElasticViT elastic = ElasticViT.Open(_site.ModelPath, _site.Out);
        using Subnet subnet = elastic.At(Budget.Ratios(0.5, 0.25));
        using torch.Tensor embedding = subnet.Embed(_photo);
    });

    [Fact]
    public void A_pool_that_is_made_used_and_disposed_keeps_nothing()
    {
        using ElasticViT elastic = ElasticViT.Open(_site.ModelPath, _site.Out);
        elastic.WarmUp(cancellation: TestContext.Current.CancellationToken);
        AssertConstant(_ =>
        {
            using SubnetPool pool = new(elastic, 2);
            foreach (double removed in new[] { 0.1, 0.3, 0.5, 0.1 })
            {
                using SubnetLease lease = pool.Lease(Budget.Ratios(removed, 0));
            }
        });
    }

    [Fact]
    public void A_pool_in_use_keeps_no_more_than_its_capacity()
    {
        using ElasticViT elastic = ElasticViT.Open(_site.ModelPath, _site.Out);
        elastic.WarmUp(cancellation: TestContext.Current.CancellationToken);
        using SubnetPool pool = new(elastic, 2);
        AssertConstant(iteration =>
        {
            using SubnetLease lease = pool.Lease(Budget.Ratios(0.1 * (1 + (iteration % 4)), 0));
        });
    }

    /// <summary>Runs work again and again; live tensors and managed memory after the first iterations are those after the last.</summary>
    private static void AssertConstant(Action<int> work)
    {
        const int warmUp = 20;
        for (int iteration = 0; iteration < warmUp; iteration++)
        {
            work(iteration);
        }

        (long tensors, long bytes) = (LiveTensors.Undisposed(), GC.GetTotalMemory(forceFullCollection: true));
        for (int iteration = 0; iteration < Iterations; iteration++)
        {
            work(iteration);
        }

        Assert.Equal(tensors, LiveTensors.Undisposed());
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - bytes, long.MinValue, MostGrowth);
    }
}
