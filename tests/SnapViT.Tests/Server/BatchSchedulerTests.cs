using System.Diagnostics;
using SnapViT.Runtime;
using SnapViT.Server;

namespace SnapViT.Tests.Server;

/// <summary>What is refused, which size a deadline takes, and that the oldest comes first.</summary>
public sealed class BatchSchedulerTests
{
    /// <summary>Sizes of 100, 50 and 20 ms; a batch of four takes twice as long as one.</summary>
    private static SpeedTable Slow => new([0.1, 0.05, 0.02], [0.2, 0.1, 0.04], 4);

    [Theory]
    [InlineData(1, 1000, 0)]
    [InlineData(1, 130, 0)]
    [InlineData(1, 110, 1)]
    [InlineData(1, 30, 2)]
    [InlineData(1, 1, 2)]
    [InlineData(4, 250, 0)]
    [InlineData(4, 130, 1)]
    [InlineData(12, 250, 2)]
    public void A_deadline_takes_the_largest_size_that_is_fast_enough(int images, double milliseconds, int size) =>
        Assert.Equal(size, DeadlinePolicy.Choose(Slow, [new WaitingWork(images, 0, milliseconds / 1e3)]));

    [Fact]
    public void One_that_waits_behind_with_a_near_deadline_makes_the_size_smaller()
    {
        Assert.Equal(0, DeadlinePolicy.Choose(Slow, [new WaitingWork(1, 0, 1)]));
        Assert.Equal(1, DeadlinePolicy.Choose(Slow, [new WaitingWork(1, 0, 1), new WaitingWork(3, 0, 0.15)]));
        Assert.Equal(2, DeadlinePolicy.Choose(Slow, [new WaitingWork(1, 0, 1), new WaitingWork(3, 0, 0.06)]));
        Assert.Equal(1, DeadlinePolicy.Choose(Slow, [new WaitingWork(1, 1, 1)]));
        Assert.Equal(2, DeadlinePolicy.Choose(Slow, [new WaitingWork(1, 0, 0.2), new WaitingWork(1, 0, null), new WaitingWork(1, 0, 0.2)]));
    }

    [Fact]
    public void Times_follow_what_the_machine_does_now()
    {
        SpeedTable speeds = new([0.1], [0.2], 4);
        Assert.Equal([0.1, 0.2, 0.3, 0.4], new[] { 1, 4, 5, 8 }.Select(images => Math.Round(speeds.Predict(0, images), 9)));
        for (int pass = 0; pass < 40; pass++)
        {
            speeds.Observe(0, 1, 0.3);
        }

        Assert.Equal(3, speeds.Slowdown, 1e-2);
        Assert.Equal(0.6, speeds.Predict(0, 4), 1e-2);
    }

    [Fact]
    public void The_more_times_vary_the_more_is_reckoned_with()
    {
        SpeedTable even = new([0.1], [0.2], 4), uneven = new([0.1], [0.2], 4);
        for (int pass = 0; pass < 60; pass++)
        {
            even.Observe(0, 1, 0.1);
            uneven.Observe(0, 1, pass % 2 == 0 ? 0.02 : 0.18);
            even.ObserveAnswer(0.001);
            uneven.ObserveAnswer(pass % 2 == 0 ? 0.001 : 0.021);
        }

        Assert.Equal(0.12 + 0.001, even.Cautious(0.1), 1e-3);
        Assert.InRange(uneven.Cautious(0.1), 0.2, 0.4);
        Assert.Equal(uneven.Predict(0, 1) / uneven.Slowdown, even.Predict(0, 1), 1e-9);
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_with_the_time_after_which_it_may_come_again()
    {
        await using ServedFamily served = ServedFamily.Create();
        using ServerMetrics metrics = new();
        ServerOptions options = new() { QueueImages = 4096, MaxImages = 4096, BatchSize = 4 };
        using BatchScheduler scheduler = new(served.Family, new SpeedTable([0.1, 0.05, 0.02], [0.2, 0.1, 0.04], 4), options, metrics);
        Task<JobResult> running = await BeginAsync(scheduler, JobOf(served, 4096));
        Task<JobResult> waiting = scheduler.RunAsync(JobOf(served, 4096));
        RequestFault full = await Assert.ThrowsAsync<RequestFault>(() => scheduler.RunAsync(JobOf(served, 4096)));
        Assert.Equal((429, true), (full.Status, full.RetryAfter >= TimeSpan.FromSeconds(1)));
        Assert.EndsWith("4096 more do not fit", full.Message, StringComparison.Ordinal);
        Assert.Equal((4096, 4096), ((await running).Rows.Count, (await waiting).Rows.Count));
    }

    [Fact]
    public async Task A_deadline_that_cannot_be_met_is_refused_at_once()
    {
        await using ServedFamily served = ServedFamily.Create();
        using ServerMetrics metrics = new();
        using BatchScheduler scheduler = new(
            served.Family, new SpeedTable([9, 9, 9], [9, 9, 9], 4), new ServerOptions { QueueImages = 4096, MaxImages = 4096, BatchSize = 4 }, metrics);
        Task<JobResult> running = await BeginAsync(scheduler, JobOf(served, 2048));
        RequestFault now = await Assert.ThrowsAsync<RequestFault>(() => scheduler.RunAsync(JobOf(served, 1, deadlineSeconds: 10)));
        Assert.Equal((429, TimeSpan.FromSeconds(60)), (now.Status, now.RetryAfter));
        await running;
    }

    [Fact]
    public async Task One_who_is_gone_is_taken_out_and_the_others_go_on()
    {
        await using ServedFamily served = ServedFamily.Create();
        using ServerMetrics metrics = new();
        using BatchScheduler scheduler = new(served.Family, Slow, new ServerOptions { QueueImages = 4096, MaxImages = 4096, BatchSize = 4 }, metrics);
        using CancellationTokenSource gone = new();
        Task<JobResult> running = await BeginAsync(scheduler, JobOf(served, 2048));
        Task<JobResult> left = scheduler.RunAsync(JobOf(served, 2048, aborted: gone.Token));
        Task<JobResult> stays = scheduler.RunAsync(JobOf(served, 3));
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.False(running.IsCompleted && stays.IsCompleted, "it was taken out while others waited");
        Assert.Equal((2048, 3), ((await running).Rows.Count, (await stays).Rows.Count));
        Assert.Equal(0, scheduler.QueuedImages);
    }

    [Fact]
    public async Task A_queue_that_is_closed_does_what_it_took_and_takes_no_more()
    {
        await using ServedFamily served = ServedFamily.Create();
        using ServerMetrics metrics = new();
        BatchScheduler scheduler = new(served.Family, Slow, new ServerOptions { QueueImages = 4096, MaxImages = 4096 }, metrics);
        Task<JobResult>[] taken = [.. Enumerable.Range(0, 3).Select(_ => scheduler.RunAsync(JobOf(served, 256)))];
        scheduler.Dispose();
        Assert.All(taken, job => Assert.True(job.IsCompletedSuccessfully || job.Status == TaskStatus.WaitingForActivation));
        Assert.All(await Task.WhenAll(taken), result => Assert.Equal(256, result.Rows.Count));
        Assert.Equal(503, (await Assert.ThrowsAsync<RequestFault>(() => scheduler.RunAsync(JobOf(served, 1)))).Status);
    }

    /// <summary>Queues a job, and waits until its forward pass has begun.</summary>
    private static async Task<Task<JobResult>> BeginAsync(BatchScheduler scheduler, Job job)
    {
        Task<JobResult> running = scheduler.RunAsync(job);
        while (scheduler.QueuedImages > 0)
        {
            await Task.Yield();
        }

        return running;
    }

    private static Job JobOf(ServedFamily served, int images, double? deadlineSeconds = null, CancellationToken? aborted = null)
    {
        float[] image = new float[3 * served.Family.Preprocessing.Side * served.Family.Preprocessing.Side];
        long? deadline = deadlineSeconds is double seconds ? Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency) : null;
        return new Job([.. Enumerable.Repeat(image, images)], FamilyMember.Output.Features, 0, deadline, aborted ?? TestContext.Current.CancellationToken);
    }
}
