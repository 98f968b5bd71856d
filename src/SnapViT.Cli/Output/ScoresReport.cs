using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a scores file holds.</summary>
internal static class ScoresReport
{
    public static Report Of(string path, ElasticScores scores)
    {
        Block[] blocks = [.. Enumerable.Range(0, scores.Local.Depth).Select(block => Summary(scores, block))];
        return new Report(
            new
            {
                File = path,
                Kind = "scores",
                Floors = new { NeuronFraction = scores.Floors[Axis.Neurons], HeadFraction = scores.Floors[Axis.Heads] },
                Blocks = blocks,
                MomentBytes = scores.Moments?.Bytes,
                Frontiers = scores.Frontiers.Select(pair => new
                {
                    Unit = pair.Key,
                    Slices = pair.Value.Slices.Select(slice => new { slice.Distance, Blocks = slice.Widths }),
                }),
                scores.Provenance,
            },
            console =>
            {
                console.WriteLine(
                    $"{path}: scores of {scores.Local.Depth} blocks of "
                    + string.Join(" and ", AxisTable.InPaperOrder.Select(row => $"{scores.Local.Counts[0][row.Axis]} {row.Label}")));
                if (scores.Moments is { } moments)
                {
                    console.WriteLine($"second moments for the correction: {Figures.Bytes(moments.Bytes)} of the file");
                }

                Table table = Report.Table(
                    "block", "MLP factor", "mean neuron score", "largest neuron score", "mean head factor", "mean head score",
                    "largest head score");
                foreach (Block block in blocks)
                {
                    table.AddRow(
                        $"{block.Index}",
                        Number(block.MlpFactor),
                        Number(block.MeanNeuron),
                        Number(block.LargestNeuron),
                        Number(block.MeanHeadFactor),
                        Number(block.MeanHead),
                        Number(block.LargestHead));
                }

                console.Write(table);
                foreach ((CostUnit unit, Frontier frontier) in scores.Frontiers)
                {
                    Table slices = Report.Table(
                        [$"frontier of {unit.ToString().ToLowerInvariant()}", .. AxisTable.Rows.Select(row => row.Label), "distance"]);
                    foreach (FrontierSlice slice in frontier.Slices)
                    {
                        slices.AddRow(
                        [
                            $"slice {slices.Rows.Count}",
                            .. AxisTable.Rows.Select(row => Figures.Invariant($"{slice.Widths.Average(block => block[row.Axis]):0.#}")),
                            Figures.Invariant($"{slice.Distance:0.0000}"),
                        ]);
                    }

                    console.Write(slices);
                    console.WriteLine("widths: means over the blocks; distance: from the whole model, as measured on photos");
                }

                foreach ((string key, string value) in scores.Provenance)
                {
                    console.WriteLine($"{key}: {value}");
                }
            });
    }

    private static string Number(double value) => Figures.Invariant($"{value:G4}");

    private static Block Summary(ElasticScores scores, int block)
    {
        double[] neurons = scores.Scaled.Of(Axis.Neurons, block).ToArray(), heads = scores.Scaled.Of(Axis.Heads, block).ToArray();
        double factor = Enumerable.Range(0, heads.Length).Average(head => scores.Coefficients.Of(Axis.Heads, block, head));
        return new Block(
            block, scores.Coefficients.Of(Axis.Neurons, block, 0), neurons.Average(), neurons.Max(), factor, heads.Average(), heads.Max());
    }

    private sealed record Block(
        int Index,
        double MlpFactor,
        double MeanNeuron,
        double LargestNeuron,
        double MeanHeadFactor,
        double MeanHead,
        double LargestHead);
}
