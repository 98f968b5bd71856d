using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace SnapViT.Cluster.Membership;

/// <summary>The list is in a Redis server.</summary>
/// <param name="configuration">Host and port, and options of StackExchange.Redis after commas.</param>
internal sealed class RedisMembership(string configuration) : ClusterMembership
{
    private readonly ConfigurationOptions _options = ConfigurationOptions.Parse(configuration);

    /// <inheritdoc/>
    public override void Use(ISiloBuilder silo) => silo.UseRedisClustering(options => options.ConfigurationOptions = _options);

    /// <inheritdoc/>
    public override string ToString() => $"redis:{string.Join(',', _options.EndPoints)}";
}
