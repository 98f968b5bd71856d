using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using SnapViT.Cluster.Membership;
using SnapViT.Core.Errors;

namespace SnapViT.Cluster;

/// <summary>One silo of Orleans in this process.</summary>
internal sealed class ClusterSilo : IDisposable
{
    private const string Build = "build", Worker = "worker";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly IHost _host;

    private readonly LostCluster _lost;

    private ClusterSilo(IHost host, LostCluster lost) => (_host, _lost) = (host, lost);

    /// <summary>Whether the others think that this silo is dead: it can do nothing then.</summary>
    public bool IsLost => _lost.IsLost;

    /// <summary>Starts a silo and joins the cluster.</summary>
    /// <param name="address">Where the cluster is.</param>
    /// <param name="port">The port of this silo.</param>
    /// <param name="worker">What this silo evaluates.</param>
    /// <param name="isBuild">Whether this is the silo of a build.</param>
    /// <param name="cancellation">Stops the start.</param>
    /// <exception cref="SnapViTException">The database of the cluster cannot be reached.</exception>
    public static ClusterSilo Start(ClusterAddress address, int port, CandidateWorker worker, bool isBuild, CancellationToken cancellation)
    {
        address.Membership.Prepare();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        LostCluster lost = new();
        builder.Services.AddSingleton(worker);
        builder.Services.AddSingleton<EvaluationClient>();
        builder.UseOrleans(silo =>
        {
            address.Membership.Use(silo);
            silo.Configure<SiloOptions>(options => options.SiloName = isBuild ? Build : Worker);
            silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("snapvit", "snapvit"));
            silo.Configure<EndpointOptions>(options =>
            {
                // The silo listens at the address that it is reached by, and has no gateway: there are no clients.
                (options.AdvertisedIPAddress, options.SiloPort, options.GatewayPort) = (address.Listen, port, 0);
                options.SiloListeningEndpoint = new IPEndPoint(address.Listen, port);
            });
            silo.Configure<ClusterMembershipOptions>(options =>
            {
                // Who joins must reach all that are thought to be alive, so those that are not are to be found soon.
                options.ProbeTimeout = options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(3);
                options.NumMissedTableIAmAliveLimit = 3;
                options.MaxJoinAttemptTime = TimeSpan.FromMinutes(1);
            });

            // The build has its own limits of time; a call may take as long as its candidates.
            silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromHours(12));
            silo.AddGrainService<EvaluationService>();
        });
        builder.Services.AddSingleton<IFatalErrorHandler>(lost);
        IHost host = builder.Build();
        try
        {
            host.StartAsync(cancellation).GetAwaiter().GetResult();
        }
        catch
        {
            End(host);
            throw;
        }

        return new ClusterSilo(host, lost);
    }

    /// <summary>Asks services of silos.</summary>
    public EvaluationClient Client => _host.Services.GetRequiredService<EvaluationClient>();

    /// <summary>The workers that are thought to be alive.</summary>
    public IReadOnlyList<SiloAddress> Workers() => Others(Worker);

    /// <summary>The silo of another process that builds; null if there is none.</summary>
    public SiloAddress? OtherBuild() => Others(Build).FirstOrDefault(silo => TcpPort.Answers(silo.Endpoint));

    private IReadOnlyList<SiloAddress> Others(string name)
    {
        if (IsLost)
        {
            return [];
        }

        ISiloStatusOracle oracle = _host.Services.GetRequiredService<ISiloStatusOracle>();
        return
        [
            .. oracle.GetApproximateSiloStatuses(onlyActive: true).Keys.Where(silo =>
                !silo.Equals(oracle.SiloAddress) && oracle.TryGetSiloName(silo, out string? found) && found == name),
        ];
    }

    /// <inheritdoc/>
    public void Dispose() => End(_host);

    /// <summary>An orderly end tells the others, but takes minutes where they or the database are gone: nobody waits for that.</summary>
    private static void End(IHost host)
    {
        Task ending = Task.Run(async () =>
        {
            using CancellationTokenSource soon = new(Patience);
            await ((Task)host.StopAsync(soon.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            host.Dispose();
        });
        Task.WhenAny(ending, Task.Delay(Patience * 2)).GetAwaiter().GetResult();
    }

    /// <summary>Orleans ends the process of a silo that the others declared dead; a build goes on alone instead.</summary>
    private sealed class LostCluster : IFatalErrorHandler
    {
        private volatile bool _isLost;

        public bool IsLost => _isLost;

        public bool IsUnexpected(Exception exception) => true;

        public void OnFatalException(object? sender, string? context, Exception? exception) => _isLost = true;
    }
}
