using System.Reflection;
using System.Runtime.CompilerServices;
using TorchSharp;
using Xunit.Sdk;
using Xunit.v3;

namespace SnapViT.Tests;

public sealed class LeakCheckTests
{
    private static readonly MethodInfo Method = typeof(LeakCheckTests).GetMethod(nameof(Tidy_work_passes))!;

    [Fact]
    public void Tidy_work_passes() => Check(() =>
    {
        using torch.Tensor one = torch.ones(2);
        using (torch.NewDisposeScope())
        {
            _ = (one + 1).sum();
        }
    });

    [Fact]
    public void A_tensor_kept_alive_is_a_leak()
    {
        torch.Tensor? kept = null;
        AssertLeak(1, () => kept = torch.ones(2));
        kept!.Dispose();
    }

    [Fact]
    public void Forgotten_tensors_are_leaks_even_after_they_were_finalized() => AssertLeak(3, () =>
    {
        Forget(3);
        LiveTensors.Undisposed();
    });

    [Fact]
    public void A_tensor_forgotten_before_the_test_does_not_hide_a_leak_within_it()
    {
        Forget(2);
        AssertLeak(1, () => Forget(1));
    }

    [Fact]
    public void A_tensor_made_on_another_thread_is_a_leak() => AssertLeak(1, () => Run(() => Forget(1)));

    [Fact]
    public void A_tensor_disposed_on_another_thread_is_none() => Check(() =>
    {
        torch.Tensor one = torch.ones(2);
        Run(one.Dispose);
    });

    [Fact, LeakCheck]
    public void The_attribute_runs_around_a_test()
    {
        using torch.Tensor one = torch.ones(2);
        Assert.Equal(2, one.numel());
    }

    private static void AssertLeak(int count, Action work)
    {
        TrueException caught = Assert.Throws<TrueException>(() => Check(work));
        Assert.Contains($"{nameof(Tidy_work_passes)} left {count} tensors undisposed", caught.Message, StringComparison.Ordinal);
    }

    private static void Check(Action work)
    {
        LeakCheckAttribute check = new();
        var test = (IXunitTest)TestContext.Current.Test!;
        check.Before(Method, test);
        work();
        check.After(Method, test);
    }

    private static void Run(Action work)
    {
        Thread thread = new(() => work());
        thread.Start();
        thread.Join();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _ = torch.ones(2);
        }
    }
}
