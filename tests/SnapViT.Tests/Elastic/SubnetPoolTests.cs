using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

[LeakCheck]
public sealed class SubnetPoolTests : IDisposable
{
    private const int Threads = 8;
    private const int Requests = 1000;

    /// <summary>What a process may grow by in 1000 requests; the sub-networks made, were they kept, take three times as much.</summary>
    private const long MostGrowth = 32 << 20;

    private readonly ElasticViT _elastic = ElasticModels.Create(corrected: true);
    private readonly Tensor _images = SmallModels.Images(ElasticModels.Architecture, 1);

    public SubnetPoolTests()
    {
        // Layers are factored when they are first corrected, and stay the elastic model's.
        foreach (PruningRatios ratios in ElasticModels.TenBudgets)
        {
            _elastic.At(Budget.Ratios(ratios)).Dispose();
        }
    }

    public void Dispose()
    {
        _elastic.Dispose();
        _images.Dispose();
    }

    [Fact]
    public void A_budget_that_was_used_recently_is_not_made_again()
    {
        using SubnetPool pool = new(_elastic, 2);
        using SubnetLease first = pool.Lease(Budget.Ratios(0.5, 0.25)), again = pool.Lease(Budget.Ratios(0.5, 0.25));
        Assert.Same(first.Model, again.Model);
        Assert.Equal((1, 1), (pool.Made, pool.Count));
    }

    [Fact]
    public void Budgets_that_mean_the_same_widths_share_one_sub_network()
    {
        using SubnetPool pool = new(_elastic, 2);
        using SubnetLease ratios = pool.Lease(Budget.Ratios(0, 0)), flops = pool.Lease(Budget.Flops(1));
        Assert.Same(ratios.Model, flops.Model);
    }

    [Fact]
    public void The_longest_unused_budget_is_forgotten_first()
    {
        using SubnetPool pool = new(_elastic, 2);
        foreach (double removed in new[] { 0.1, 0.2, 0.1, 0.3 })
        {
            pool.Lease(Budget.Ratios(removed, 0)).Dispose();
        }

        Assert.Equal((3, 2), (pool.Made, pool.Count));
        pool.Lease(Budget.Ratios(0.1, 0)).Dispose();
        Assert.Equal(3, pool.Made);
        pool.Lease(Budget.Ratios(0.2, 0)).Dispose();
        Assert.Equal(4, pool.Made);
    }

    [Fact]
    public void A_sub_network_in_use_outlives_its_place_in_the_pool_and_the_pool()
    {
        SubnetPool pool = new(_elastic, 1);
        using SubnetLease used = pool.Lease(Budget.Ratios(0.5, 0.25));
        float[] before = Features(used);
        pool.Lease(Budget.Ratios(0.2, 0)).Dispose();
        Assert.Equal(before, Features(used));
        pool.Dispose();
        Assert.Equal(before, Features(used));
    }

    [Fact]
    public void A_forgotten_sub_network_is_disposed_with_its_last_lease()
    {
        using SubnetPool pool = new(_elastic, 1);
        SubnetLease first = pool.Lease(Budget.Ratios(0.5, 0.25)), second = pool.Lease(Budget.Ratios(0.5, 0.25));
        pool.Lease(Budget.Ratios(0.2, 0)).Dispose();
        Tensor weight = second.Model.Weights["blocks.0.mlp.fc2.weight"];
        first.Dispose();
        first.Dispose();
        Assert.False(weight.IsInvalid);
        second.Dispose();
        Assert.True(weight.IsInvalid);
    }

    [Fact]
    public void A_lease_that_has_ended_and_a_pool_that_is_disposed_say_so()
    {
        SubnetPool pool = new(_elastic, 1);
        SubnetLease lease = pool.Lease(Budget.Whole);
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Embed(_images));
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Lease(Budget.Whole));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SubnetPool(_elastic, 0));
    }

    [Fact]
    public void Eight_threads_that_ask_at_the_same_moment_get_one_sub_network()
    {
        using SubnetPool pool = new(_elastic, 4);
        using Barrier start = new(Threads);
        SubnetLease[] leases = new SubnetLease[Threads];
        InThreads(thread =>
        {
            start.SignalAndWait(TestContext.Current.CancellationToken);
            leases[thread] = pool.Lease(Budget.Ratios(0.5, 0.25));
        });
        Assert.Equal(1, pool.Made);
        Assert.All(leases, lease => Assert.Same(leases[0].Model, lease.Model));
        Array.ForEach(leases, lease => lease.Dispose());
    }

    [Fact]
    public void A_sub_network_that_cannot_be_made_is_an_error_each_time_and_leaves_nothing()
    {
        ViTArchitecture a = SmallModels.Vit;
        using VisionTransformer model = SmallModels.Create(a);
        using CalibrationMoments moments = new(a);
        using Tensor image = SmallModels.Images(a, 1);
        moments.Add(model, image);
        CorrectionOptions undamped = new() { Damping = new Damping(DampingKind.Mean, 0) };
        using ElasticViT elastic = new(model, SmallModels.Scores(a), new KeepFloors(0, 0), order => new ElasticCorrection(model.Weights, moments, order, undamped));
        using SubnetPool pool = new(elastic, 2);
        for (int attempt = 0; attempt < 2; attempt++)
        {
            SnapViTException fault = Assert.Throws<SnapViTException>(() => pool.Lease(Budget.Ratios(0.5, 0.5)));
            Assert.Contains("singular", fault.Message, StringComparison.Ordinal);
            Assert.Equal(0, pool.Count);
        }
    }

    // Capacity 4 for 8 budgets: half of the requests find their sub-network forgotten, often while another thread still uses it.
    [Fact]
    public void A_thousand_requests_of_eight_threads_for_eight_budgets_give_the_serial_results_and_leave_no_memory()
    {
        SubnetPlan[] plans = [.. ElasticModels.TenBudgets.Take(Threads).Select(ratios => _elastic.Planner.Plan(Budget.Ratios(ratios)))];
        using SubnetPool pool = new(_elastic, 4);
        set_num_threads(1);
        float[][] serial = [.. plans.Select(Serial)];
        int wrong = 0;
        InThreads(thread => Interlocked.Add(ref wrong, Serve(thread, Requests / Threads / 4)));
        long tensors = LiveTensors.Undisposed(), bytes = Environment.WorkingSet;
        InThreads(thread => Interlocked.Add(ref wrong, Serve(thread, Requests / Threads)));
        long grown = Environment.WorkingSet - bytes;
        pool.Dispose();
        Assert.Equal(0, wrong);
        Assert.True(LiveTensors.Undisposed() <= tensors, "tensors were left");
        Assert.True(grown < MostGrowth, $"the process grew by {grown} bytes, while {pool.Made} sub-networks were made");

        int Serve(int thread, int requests)
        {
            // OpenMP keeps the number per calling thread, and another number splits sums in another place.
            set_num_threads(1);
            int different = 0;
            for (int request = 0; request < requests; request++)
            {
                int plan = ((thread * 3) + (request * 5)) % plans.Length;
                using SubnetLease lease = pool.Lease(plans[plan]);
                different += Features(lease).AsSpan().SequenceEqual(serial[plan]) ? 0 : 1;
            }

            return different;
        }
    }

    private float[] Serial(SubnetPlan plan)
    {
        using Subnet subnet = _elastic.At(plan);
        using Tensor features = subnet.Embed(_images);
        return [.. features.data<float>()];
    }

    private static void InThreads(Action<int> work)
    {
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(thread => new Thread(() => work(thread)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }

    private float[] Features(SubnetLease lease)
    {
        using Tensor features = lease.Embed(_images);
        return [.. features.data<float>()];
    }
}
