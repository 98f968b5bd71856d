using SnapViT.Cli.Commands;
using SnapViT.Core.Planning;

namespace SnapViT.Tests.Commands;

public sealed class LatencyCacheTests
{
    private static LatencyConditions Conditions => new()
    {
        Architecture = SmallModels.Vit, Precision = "fp32", Device = "cpu", Threads = 1, Batch = 2, Machine = "a processor", Runtime = "torch",
    };

    [Fact]
    public void Every_set_of_conditions_has_a_file_of_its_own_in_the_users_cache()
    {
        string here = LatencyCache.Path(Conditions, _ => null, "/home/me");
        Assert.StartsWith("/home/me/.cache/snapvit/latency-", here.Replace('\\', '/'), StringComparison.Ordinal);
        Assert.Equal(here, LatencyCache.Path(Conditions with { }, _ => null, "/home/me"));
        Assert.Equal(
            4,
            new[] { Conditions, Conditions with { Batch = 1 }, Conditions with { Precision = "bf16" }, Conditions with { Architecture = SmallModels.Vit with { Depth = 4 } } }
                .Select(conditions => LatencyCache.Path(conditions, _ => null, "/home/me")).Distinct().Count());
        Assert.StartsWith("/caches/snapvit/", LatencyCache.Path(Conditions, name => name == "XDG_CACHE_HOME" ? "/caches" : null, "/home/me").Replace('\\', '/'), StringComparison.Ordinal);
    }
}
