using System.Globalization;
using SnapViT.Core.Planning;

namespace SnapViT.Samples.DeadlineServer;

/// <summary>What a run is told as.</summary>
internal static class ServiceReport
{
    public static void Write(TextWriter output, LatencyTable latencies, Traffic traffic, ServiceResult elastic, ServiceResult whole)
    {
        Line(
            output,
            $"{traffic.Arrivals.Count} requests in {traffic.Arrivals[^1]:0.0} s, each with a deadline of {1e3 * traffic.Patience:0.0} ms");
        Line(output, $"");
        Line(output, $"{"FLOPs kept",10} {"parameters",12} {"ms a request",13} {"served",7} {"missed",7}");
        for (int budget = 0; budget < latencies.Plans.Count; budget++)
        {
            SubnetPlan plan = latencies.Plans[budget];
            double kept = plan.Flops / (double)latencies.Plans[0].Flops, milliseconds = 1e3 * latencies.Seconds[budget];
            int served = elastic.Served[budget], missed = elastic.Missed[budget];
            Line(output, $"{kept,10:P0} {plan.Parameters,12} {milliseconds,13:0.00} {served,7} {missed,7}");
        }

        Line(output, $"");
        (int late, int all) = (elastic.Missed.Sum(), elastic.Served.Sum());
        Line(output, $"elastic:           {late} of {all} deadlines missed, {elastic.MeanKept:P0} of the FLOPs on average");
        Line(output, $"whole model alone: {whole.Missed.Sum()} of {whole.Served.Sum()} deadlines missed");
    }

    private static void Line(TextWriter output, FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
