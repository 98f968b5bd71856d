using System.Security.Cryptography;
using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Cli.Commands;

/// <summary>
/// Where latency tables are kept that were given no file of their own: one per conditions, since they belong to a machine and not to a
/// model.
/// </summary>
internal static class LatencyCache
{
    private const int NameLength = 16;
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = new StoredNames() };

    /// <summary>The file for those conditions in XDG_CACHE_HOME/snapvit, else ~/.cache/snapvit.</summary>
    public static string Path(LatencyConditions conditions) => Path(
        conditions, Environment.GetEnvironmentVariable, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));

    /// <inheritdoc cref="Path(LatencyConditions)"/>
    public static string Path(LatencyConditions conditions, Func<string, string?> variable, string home)
    {
        string cache = variable("XDG_CACHE_HOME") is { Length: > 0 } folder ? folder : System.IO.Path.Combine(home, ".cache");
        string key = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(conditions, Json)))[..NameLength];
        return System.IO.Path.Combine(cache, "snapvit", $"latency-{key}.json");
    }
}
