using System.Globalization;
using System.Net;
using SnapViT.Cli.Commands;
using SnapViT.Cluster;
using SnapViT.Cluster.Membership;
using SnapViT.Core.Randomness;
using SnapViT.Search;
using SnapViT.Workflows;

namespace SnapViT.Cli.Tests;

/// <summary>What workers evaluate is what the build would, whatever happens to the workers.</summary>
public sealed class ClusterTests : IDisposable
{
    private const int Stop = 19, Continue = 18;

    private readonly Workspace _at = new();
    private readonly List<SnapVitProcess> _workers = [];
    private string _address = $"127.0.0.1:{TcpPort.Free(IPAddress.Loopback)}";

    private string Build => $"build {_at.ModelPath} --images {_at.Photos} --evaluations 40 --batch 4 --frontier-images 4 --force {Workspace.Fixed}";

    public void Dispose()
    {
        _workers.ForEach(worker => worker.Dispose());
        _at.Dispose();
    }

    /// <summary>This machine is slow here, so that workers do most, and are killed, stopped and late while they do.</summary>
    [Theory]
    [InlineData(MembershipServer.None)]
    [InlineData(MembershipServer.Sqlite)]
    [InlineData(MembershipServer.Redis)]
    [InlineData(MembershipServer.Postgres)]
    public async Task Workers_that_are_killed_stopped_and_late_change_no_number(string membership)
    {
        Assert.SkipUnless(MembershipServer.IsInstalled(membership), $"{membership} is not installed");
        using MembershipServer server = MembershipServer.Start(membership, _at);
        _address = server.Cluster ?? _address;
        ClusterJob job = await Scored();
        using OpenedSite here = BuildCommand.OpenSite(SnapVitCommand.Create().Parse([.. job.Arguments]), job, CancellationToken.None);
        ulong seed = (ulong)Environment.TickCount64;
        SeededRandom random = SeededRandom.ForPurpose(seed, "what happens to workers");
        double[][] candidates = [.. Enumerable.Range(0, 900).Select(_ => Enumerable.Range(0, FactorsOf(job)).Select(_ => random.NextDouble()).ToArray())];
        IReadOnlyList<double[]> expected = here.Site.Evaluate(CandidateWork.Search, [], candidates);
        Said said = new();
        using ClusterEvaluation cluster = new(
            ClusterAddress.OfBuild(_address), job, TimeSpan.FromSeconds(1.5), said.WriteLine, TestContext.Current.CancellationToken);
        for (int i = 0; i < 3; i++)
        {
            StartWorker();
        }

        CandidateWork work = new(CandidateWork.Search, [], candidates, 1, some =>
        {
            Thread.Sleep(300);
            return here.Site.Evaluate(CandidateWork.Search, [], some);
        });
        Task<IReadOnlyList<double[]>> evaluating = Task.Run(() => cluster.Evaluate(work, TestContext.Current.CancellationToken));
        while (!evaluating.IsCompleted && said.ToString().Split("joined").Length <= 3)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        // One dies, one hangs for longer than it may and comes back with an answer that nobody waits for, one stays.
        SnapVitProcess[] order = [.. _workers];
        random.Shuffle(order.AsSpan());
        await Task.Delay((int)(300 * random.NextDouble()), TestContext.Current.CancellationToken);
        order[0].Send(SnapVitProcess.Kill);
        await Task.Delay((int)(200 * random.NextDouble()), TestContext.Current.CancellationToken);
        order[1].Send(Stop);
        await Task.WhenAny(evaluating, Task.Delay(2500, TestContext.Current.CancellationToken));
        order[1].Send(Continue);
        IReadOnlyList<double[]> found = await evaluating;
        Assert.Equal(expected.Select(numbers => numbers[0]), found.Select(numbers => numbers[0]));
        Assert.True(cluster.Counts.Workers > 0 && cluster.Counts.Workers + cluster.Counts.Here == candidates.Length, $"seed {seed}: {cluster.Counts} {said}");
        Assert.Matches("is gone|does not answer", said.ToString());
    }

    [Fact]
    public async Task A_build_with_a_cluster_gives_the_bytes_of_one_without()
    {
        string alone = _at.In("alone.safetensors"), together = _at.In("together.safetensors");
        CommandRun expected = await CommandRun.Of($"{Build} --out {alone}");
        Assert.True(expected.Code == 0, expected.Error);
        StartWorker("--once");
        CommandRun run = await CommandRun.Of($"{Build} --out {together} --cluster {_address}");
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("candidates were evaluated by workers", run.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(alone), File.ReadAllBytes(together));
    }

    [Theory]
    [InlineData("--cluster nowhere", "expected an address such as 127.0.0.1:11111, redis:HOST:PORT, postgres:CONNECTION or sqlite:FILE, found 'nowhere'")]
    [InlineData("--cluster sqlite:/nowhere/cluster.db", "sqlite:/nowhere/cluster.db: SQLite Error 14")]
    [InlineData("--cluster postgres:Hos=here;Password=secret", "expected where a database is after postgres:, found another text")]
    [InlineData("--cluster localhost --listen 127.0.0.1", "expected the address of the build once, found 127.0.0.1:11111 and 127.0.0.1")]
    [InlineData("--listen 127.0.0.1", "--listen: expected --cluster with it, found none")]
    [InlineData("--cluster localhost --evaluations 0 --frontier-images 0", "--cluster: expected a search or a frontier with it, found none")]
    [InlineData("--cluster localhost --shard 1/2", "--cluster: expected a search or a frontier with it, found none")]
    [InlineData("--worker-timeout 3", "--worker-timeout: expected --cluster with it, found none")]
    [InlineData("--cluster localhost --worker-timeout 0", "--worker-timeout: expected a number above 0, found 0")]
    public async Task What_contradicts_a_cluster_is_one_line(string options, string expected)
    {
        CommandRun run = await CommandRun.Of($"build {_at.ModelPath} --images {_at.Photos} --out {_at.Out} {options}");
        Assert.Equal(1, run.Code);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Trim().Split('\n'));
        Assert.DoesNotContain("secret", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_build_in_a_database_is_refused()
    {
        using MembershipServer server = MembershipServer.Start(MembershipServer.Sqlite, _at);
        ClusterJob job = new("test", Directory.GetCurrentDirectory(), _at.Out, 1, BuildState.ThisMachine(), []);
        using ClusterEvaluation first = new(ClusterAddress.OfBuild(server.Cluster!), job, null, _ => { }, TestContext.Current.CancellationToken);
        CommandRun run = await CommandRun.Of($"{Build} --out {_at.Out} --cluster {server.Cluster}");
        Assert.Equal(1, run.Code);
        Assert.Contains("expected one build at a time", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.0.0.5:11111", null)]
    [InlineData("localhost", "somewhere")]
    [InlineData("127.0.0.1", null)]
    public async Task A_worker_that_the_build_could_not_reach_is_refused(string cluster, string? listen)
    {
        CommandRun run = await CommandRun.Of($"worker --cluster {cluster}{(listen is null ? "" : $" --listen {listen}")}");
        Assert.Equal(1, run.Code);
        Assert.StartsWith("snapvit: cluster: expected ", run.Error, StringComparison.Ordinal);
    }

    /// <summary>A build that is left when its candidates would be evaluated.</summary>
    private async Task<ClusterJob> Scored()
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        string line = $"{Build} --evaluations 1000 --out {_at.Out}".Replace("--evaluations 40 ", "", StringComparison.Ordinal);
        Said said = new() { Written = text => Cancel(text.Contains("search 0/", StringComparison.Ordinal), stop) };
        using StringWriter output = new();
        int code = await SnapVitCommand.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), output, said, stop.Token);
        Assert.True(code == ExitCode.Interrupted, $"{code} {said}");
        return new ClusterJob("test", Directory.GetCurrentDirectory(), _at.Out + ".unfinished", 1, BuildState.ThisMachine(), line.Split(' '));

        static void Cancel(bool isTime, CancellationTokenSource stop)
        {
            if (isTime)
            {
                stop.Cancel();
            }
        }
    }

    /// <summary>How many factors a candidate has.</summary>
    private int FactorsOf(ClusterJob job)
    {
        Assert.True(File.Exists(job.State));
        Workspace.SaveScores(_at.ModelPath, _at.Scores);
        return Core.Scores.ElasticScores.Load(_at.Scores).Coefficients.Vector.Length;
    }

    private void StartWorker(string options = "") => _workers.Add(SnapVitProcess.Start(
        string.Create(CultureInfo.InvariantCulture, $"worker --cluster {_address} {Workspace.Fixed} {options}")));

    /// <summary>Text that several threads write and read.</summary>
    private sealed class Said : StringWriter
    {
        private readonly Lock _gate = new();

        public Action<string>? Written { get; init; }

        public override void Write(char value)
        {
            lock (_gate)
            {
                base.Write(value);
            }
        }

        public override void Write(string? value)
        {
            lock (_gate)
            {
                base.Write(value);
            }

            Written?.Invoke(value ?? "");
        }

        public override void WriteLine(string? value) => Write(value + "\n");

        public override string ToString()
        {
            lock (_gate)
            {
                return base.ToString();
            }
        }
    }
}
