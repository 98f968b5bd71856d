using System.Globalization;
using System.Text;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>Measured figures beside the reference's, a table per pair of ratios.</summary>
internal static class AccuracyTable
{
    private const int Photos = 1000;

    public static string Markdown(IReadOnlyList<MethodResult> measured, IReadOnlyList<MethodResult> reference, AccuracyConditions conditions)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Accuracy: DeiT-Ti/16, six sparsities, beside the reference

            {conditions.Machine}
            Command: `{conditions.Command}`

            Top-1 with the model's own classifier on {Photos} photos, and on the {conditions.HeldOut} of them that were not used for calibration; k-NN (k = 20) on
            CIFAR-10 and EuroSAT, 2000 training and 1000 test images each; {conditions.Precision}{(conditions.Seeds > 1 ? $"; means over {conditions.Seeds} seeds, each with its own calibration photos, range in brackets" : "")}. "Reference" are its own published figures for the same work.
            The last column compares top-1 on all photos with the uncorrected reference: within noise is a difference of less than two standard
            errors of the difference of two independent proportions.


            """);
        foreach (IGrouping<(double Mlp, double Heads), MethodResult> pair in measured.GroupBy(row => (row.Mlp, row.Heads)))
        {
            MethodResult[] theirs = [.. reference.Where(row => (row.Mlp, row.Heads) == pair.Key)];
            text.Append(CultureInfo.InvariantCulture, $"## MLP {100 * pair.Key.Mlp:0} % removed, heads {100 * pair.Key.Heads:0} %\n\n");
            text.Append("| | top-1, all | top-1, held out | k-NN CIFAR-10 | k-NN EuroSAT | against the reference |\n|---|---:|---:|---:|---:|---|\n");
            foreach (MethodResult row in theirs.Concat(pair))
            {
                string verdict = theirs.Contains(row) || theirs.Length == 0 ? "" : Verdict(row.All ?? 0, theirs[0].All ?? 0);
                text.Append(CultureInfo.InvariantCulture, $"| {row.Method} | {Percent(row.All)} | {Percent(row.HeldOut)}{Range(row.HeldOutRange)} | {Percent(row.Cifar10)}{Range(row.Cifar10Range)} | {Percent(row.EuroSat)}{Range(row.EuroSatRange)} | {verdict} |\n");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static string Verdict(double ours, double theirs)
    {
        double error = Math.Sqrt(((ours * (1 - ours)) + (theirs * (1 - theirs))) / Photos);
        string points = string.Create(CultureInfo.InvariantCulture, $"{100 * (ours - theirs):+0.0;-0.0;0.0} points");
        return Math.Abs(ours - theirs) <= 2 * error ? $"{points}, within noise" : ours > theirs ? $"{points}, better" : $"{points}, **worse**";
    }

    private static string Range(Spread? range) => range is (double lowest, double highest) ? $" ({Percent(lowest)} to {Percent(highest)})" : "";

    private static string Percent(double? share) => share is double value ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.0}") : "";
}
