using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace SnapViT.Cluster;

/// <summary>One silo of Orleans in this process.</summary>
internal sealed class ClusterSilo : IDisposable
{
    private readonly IHost _host;

    private readonly LostCluster _lost;

    private ClusterSilo(IHost host, LostCluster lost) => (_host, _lost) = (host, lost);

    /// <summary>Whether the others think that this silo is dead: it can do nothing then.</summary>
    public bool IsLost => _lost.IsLost;

    /// <summary>Starts a silo and joins the cluster.</summary>
    /// <param name="address">Where the cluster is.</param>
    /// <param name="port">The port of this silo.</param>
    /// <param name="worker">What this silo evaluates.</param>
    /// <param name="cancellation">Stops the start.</param>
    public static ClusterSilo Start(ClusterAddress address, int port, CandidateWorker worker, CancellationToken cancellation)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        LostCluster lost = new();
        builder.Services.AddSingleton(worker);
        builder.Services.AddSingleton<EvaluationClient>();
        builder.UseOrleans(silo =>
        {
            silo.UseDevelopmentClustering(address.Build);
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
            host.Dispose();
            throw;
        }

        return new ClusterSilo(host, lost);
    }

    /// <summary>Asks services of silos.</summary>
    public EvaluationClient Client => _host.Services.GetRequiredService<EvaluationClient>();

    /// <summary>All other silos that are thought to be alive.</summary>
    public IReadOnlyList<SiloAddress> Others()
    {
        if (IsLost)
        {
            return [];
        }

        ISiloStatusOracle oracle = _host.Services.GetRequiredService<ISiloStatusOracle>();
        return [.. oracle.GetApproximateSiloStatuses(onlyActive: true).Keys.Where(silo => !silo.Equals(oracle.SiloAddress))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // An orderly end would wait for silos that are gone.
        using (CancellationTokenSource soon = new(TimeSpan.FromSeconds(3)))
        {
            ((Task)_host.StopAsync(soon.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        }

        _host.Dispose();
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
