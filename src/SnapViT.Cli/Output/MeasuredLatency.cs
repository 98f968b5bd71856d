using SnapViT.Core.Planning;

namespace SnapViT.Cli.Output;

/// <summary>
/// What the table said of a sub-network and what it took, and the same of the whole model: milliseconds of the best forward pass.
/// </summary>
internal sealed record MeasuredLatency(
    double PredictedMs,
    double MeasuredMs,
    double WholePredictedMs,
    double WholeMeasuredMs,
    int Batch,
    string Precision,
    int Threads)
{
    private const double Millisecond = 1e6;
    private const double SameSpeed = 0.1;

    public static MeasuredLatency Of(SubnetPlan plan, LatencyTable table, (double Subnet, double Whole) measured) => new(
        table.Predict(plan.Widths) / Millisecond,
        measured.Subnet / Millisecond,
        table.Predict(plan.Architecture.FullWidths) / Millisecond,
        measured.Whole / Millisecond,
        table.Conditions.Batch,
        table.Conditions.Precision,
        table.Conditions.Threads);

    /// <summary>One line, and a second where the machine runs at another speed than when the table was measured.</summary>
    public IEnumerable<string> Lines()
    {
        yield return Figures.Invariant($"latency: predicted {PredictedMs:0.00} ms, measured {MeasuredMs:0.00} ms ")
            + Figures.Invariant($"(best pass of {Batch} image(s), {Precision}, {Threads} thread(s), on this machine)");
        if (Math.Abs((WholeMeasuredMs / WholePredictedMs) - 1) > SameSpeed)
        {
            yield return Figures.Invariant($"the whole model took {WholePredictedMs:0.00} ms when latencies were measured ")
                + Figures.Invariant($"and takes {WholeMeasuredMs:0.00} ms now: this machine runs at another speed than then; ")
                + "--latency-table with a new file measures anew";
        }
    }
}
