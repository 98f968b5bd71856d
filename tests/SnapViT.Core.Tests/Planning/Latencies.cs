using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Core.Tests.Planning;

/// <summary>Latency tables of no machine.</summary>
internal static class Latencies
{
    public static LatencyConditions Conditions(ViTArchitecture architecture) => new()
    {
        Architecture = architecture, Precision = "fp32", Device = "cpu", Threads = 2, Batch = 1, Machine = "a processor", Runtime = "torch 2",
    };

    /// <summary>1 us in all, 10 ns a head and 2 ns a neuron of each block.</summary>
    public static LatencyTable Linear(ViTArchitecture architecture) => Of(
        architecture, 1000,
        new LatencyCurve([(0, 0), (architecture.Heads, 10 * architecture.Heads)]), new LatencyCurve([(0, 0), (architecture.MlpDim, 2 * architecture.MlpDim)]));

    public static LatencyTable Of(ViTArchitecture architecture, double fixedNanoseconds, LatencyCurve heads, LatencyCurve neurons) =>
        new(
            Conditions(architecture), fixedNanoseconds,
            AxisTable.Rows.ToDictionary(row => row.Axis, row => row.Axis switch
            {
                Axis.Heads => heads,
                Axis.Neurons => neurons,
                _ => new LatencyCurve([(0, 0), (row.Count(architecture), 100)]),
            }));
}
