using System.Globalization;
using System.Text;
using SnapViT.Core.Planning;

namespace SnapViT.Benchmarks.Frontiers;

/// <summary>Figures as markdown: means over the seeds, and the range of top-1.</summary>
internal static class FrontierTable
{
    public static string Of(IReadOnlyDictionary<string, List<FrontierFigure>> figures, string machine, string command)
    {
        StringBuilder text = new();
        text.AppendLine("# Frontiers over all axes").AppendLine()
            .AppendLine("Photos that nothing was computed from. Speed: images a second over those of the whole model, bfloat16, batch 32, models in turn on every batch.")
            .AppendLine("KL: mean divergence of the class probabilities from the whole model's. Means over the seeds, with the range of top-1 lost.").AppendLine();
        foreach ((string model, List<FrontierFigure> ofModel) in figures.Where(entry => entry.Value.Count > 0))
        {
            Write(text, model, ofModel);
        }

        return text.AppendLine(machine).AppendLine().AppendLine(CultureInfo.InvariantCulture, $"Command: `{command}`").ToString();
    }

    private static void Write(StringBuilder text, string model, IReadOnlyList<FrontierFigure> figures)
    {
        FrontierFigure[] whole = [.. figures.Where(figure => figure.Row == FrontierRows.Whole)];
        text.AppendLine(CultureInfo.InvariantCulture, $"## {model}, {whole.Length} seeds").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Whole model: top-1 {Percent(whole, figure => figure.Top1)}, k-NN cifar10 {Percent(whole, figure => figure.Cifar10)}, eurosat {Percent(whole, figure => figure.EuroSat)}.");
        foreach (CostKind kind in new[] { CostKind.Flops, CostKind.Parameters })
        {
            text.AppendLine();
            text.AppendLine(CultureInfo.InvariantCulture, $"| {(kind == CostKind.Flops ? "FLOPs" : "parameters")} | row | top-1 lost (range) | KL | k-NN cifar10 | k-NN eurosat | speed | FLOPs | parameters |");
            text.AppendLine("|---|---|---|---|---|---|---|---|---|");
            foreach (IGrouping<Budget, FrontierFigure> budget in figures
                .Where(figure => figure.Row != FrontierRows.Whole && (figure.Budget.Unit == Core.Architecture.CostUnit.Parameters) == (kind == CostKind.Parameters))
                .GroupBy(figure => figure.Budget))
            {
                foreach (IGrouping<string, FrontierFigure> row in budget.GroupBy(figure => figure.Row))
                {
                    FrontierFigure[] seeds = [.. row];
                    double[] lost = [.. seeds.Select((figure, seed) => 100 * (whole[Math.Min(seed, whole.Length - 1)].Top1 - figure.Top1))];
                    text.AppendLine(
                        CultureInfo.InvariantCulture,
                        $"| {((Budget.Share)budget.Key).Fraction} | {row.Key} | {lost.Average():0.0} ({lost.Min():0.0} to {lost.Max():0.0}) | {seeds.Average(figure => figure.Divergence):0.000} "
                            + $"| {Percent(seeds, figure => figure.Cifar10)} | {Percent(seeds, figure => figure.EuroSat)} | {seeds.Average(figure => figure.Speed):0.00} "
                            + $"| {seeds.Average(figure => figure.Flops):0.000} | {seeds.Average(figure => figure.Parameters):0.000} |");
                }
            }
        }

        text.AppendLine();
    }

    private enum CostKind
    {
        Flops,
        Parameters,
    }

    private static string Percent(IReadOnlyCollection<FrontierFigure> figures, Func<FrontierFigure, double?> value)
    {
        double[] known = [.. figures.Select(value).OfType<double>()];
        return known.Length == 0 ? "-" : (100 * known.Average()).ToString("0.0", CultureInfo.InvariantCulture);
    }
}
