using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

/// <summary>Many budgets on one copy of the weights, in turn and at once.</summary>
[LeakCheck]
public sealed class ElasticViTConcurrencyTests : IDisposable
{
    private const int Threads = 8;
    private const int Requests = 1000;

    private static readonly PruningRatios[] Budgets =
        [new(0, 0), new(0.15, 0), new(0.25, 0.1), new(0.35, 0.2), new(0.45, 0.3), new(0.55, 0.4), new(0.65, 0.5), new(0.9, 0.75)];

    private readonly ViTArchitecture _architecture = SmallModels.Vit;
    private readonly ElasticViT _elastic;
    private readonly Tensor _images;
    private readonly float[][] _alone;

    public ElasticViTConcurrencyTests()
    {
        using VisionTransformer model = SmallModels.Create(_architecture);
        _elastic = new ElasticViT(model, SmallModels.Scores(_architecture), new KeepFloors(0, 0));
        _images = SmallModels.Images(_architecture, 4);
        _alone = [.. Budgets.Select(Features)];
    }

    public void Dispose()
    {
        _elastic.Dispose();
        _images.Dispose();
    }

    [Fact]
    public void Several_budgets_side_by_side_do_not_disturb_each_other()
    {
        Subnet[] subnets = [.. Budgets.Select(ratios => _elastic.At(Budget.Ratios(ratios)))];
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < subnets.Length; i++)
            {
                using Tensor features = subnets[i].Embed(_images);
                Assert.Equal(_alone[i], features.data<float>().ToArray());
            }
        }

        Array.ForEach(subnets, subnet => subnet.Dispose());
    }

    [Fact]
    public void Eight_threads_with_eight_budgets_give_the_serial_results_in_a_thousand_requests()
    {
        Parallel.For(0, Requests, new ParallelOptions { MaxDegreeOfParallelism = Threads, CancellationToken = TestContext.Current.CancellationToken }, request =>
        {
            int budget = request % Budgets.Length;
            Assert.Equal(_alone[budget], Features(Budgets[budget]));
        });
    }

    [Fact]
    public void Eight_threads_share_eight_sub_networks()
    {
        int[] matches = new int[Threads];
        Subnet[] subnets = [.. Budgets.Select(ratios => _elastic.At(Budget.Ratios(ratios)))];
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(first => new Thread(() =>
        {
            for (int i = 0; i < Requests / Threads; i++)
            {
                int budget = (first + i) % Budgets.Length;
                using Tensor features = subnets[budget].Embed(_images);
                matches[first] += features.data<float>().ToArray().AsSpan().SequenceEqual(_alone[budget]) ? 1 : 0;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Array.ForEach(subnets, subnet => subnet.Dispose());
        Assert.Equal(Enumerable.Repeat(Requests / Threads, Threads), matches);
    }

    private float[] Features(PruningRatios ratios)
    {
        using Subnet subnet = _elastic.At(Budget.Ratios(ratios));
        using Tensor features = subnet.Embed(_images);
        return [.. features.data<float>()];
    }
}
