using System.Globalization;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Core.Randomness;

namespace SnapViT.Cli.Experiments;

/// <summary>A figure of one way of cutting at one budget, over the seeds.</summary>
/// <param name="Value">The mean over the seeds.</param>
/// <param name="Low">Where the bootstrap interval begins, over seeds and test images.</param>
/// <param name="High">Where it ends.</param>
/// <param name="LowestSeed">The lowest of the seeds.</param>
/// <param name="HighestSeed">The highest of the seeds.</param>
internal sealed record SweepFigure(double Value, double Low, double High, double LowestSeed, double HighestSeed);

/// <summary>One line of the table of a sweep.</summary>
internal sealed record SweepTableRow(
    string Model, string Criterion, string Way, string Correction, string Axes, bool Baseline, string? Budget, int Seeds, int Images,
    SweepFigure Flops, SweepFigure Parameters, SweepFigure Top1, SweepFigure Lost, IReadOnlyList<SweepRow> Runs);

/// <summary>What a sweep found, over its seeds: each accuracy with an interval over seeds and test images.</summary>
internal sealed class SweepTable
{
    /// <summary>What the intervals are.</summary>
    public const string IntervalMeaning = "95 % of 2000 bootstrap samples over seeds and test images";

    private const int Samples = 2000;
    private const double Tail = 0.025;

    private readonly IReadOnlyList<SweepResult> _results;

    /// <summary>The table of finished runs, in the order of the plan.</summary>
    public SweepTable(IReadOnlyList<SweepResult> results)
    {
        _results = results;
        Rows = [.. results.GroupBy(result => (result.Model, result.Criterion)).SelectMany(OfCriterion)];
    }

    /// <summary>The rows: of each model and criterion the whole model, the ways of cutting, then the baselines.</summary>
    public IReadOnlyList<SweepTableRow> Rows { get; }

    /// <summary>The table as Markdown.</summary>
    public string ToMarkdown(string command)
    {
        StringBuilder text = new("# Sweep\n\n");
        text.Append('`').Append(command).Append("`\n\n")
            .Append($"Top-1 is the mean over seeds; the interval behind it holds {IntervalMeaning}. ")
            .Append("Lost is top-1 of the whole model less that, paired on the same\n")
            .Append("images, with its interval. Seeds: the lowest and the highest. The baselines cut the same scores in another order.\n");
        foreach (IGrouping<(string Model, int Images), SweepTableRow> model in Rows.GroupBy(row => (row.Model, row.Images)))
        {
            SweepTableRow[] rows = [.. model];
            text.Append(Figures.Invariant($"\n## {model.Key.Model}\n\n{model.Key.Images} test images, "))
                .Append(Figures.Invariant($"seeds: {rows.Max(row => row.Seeds)}.\n\n"))
                .Append("| criterion | way | budget | FLOPs kept | parameters kept | ")
                .Append("top-1 | interval | seeds | lost, points | interval |\n")
                .Append("|---|---|---|---|---|---|---|---|---|---|\n");
            foreach (SweepTableRow row in rows)
            {
                string way = row.Budget is null ? "whole model" : row.Baseline ? $"{row.Way} (baseline)" : row.Way;
                text.Append("| ").AppendJoin(
                    " | ", row.Criterion, way, row.Budget ?? "1", Mean(row.Flops), Mean(row.Parameters), Percent(row.Top1.Value),
                    $"{Percent(row.Top1.Low)} to {Percent(row.Top1.High)}",
                    $"{Percent(row.Top1.LowestSeed)} to {Percent(row.Top1.HighestSeed)}",
                    Percent(row.Lost.Value), $"{Percent(row.Lost.Low)} to {Percent(row.Lost.High)}").Append(" |\n");
            }
        }

        return text.ToString();
    }

    /// <summary>The table as comma-separated values; shares are 0..1.</summary>
    public string ToCsv()
    {
        string[] figures = ["flops_kept", "parameters_kept", "top1", "lost"];
        string[] bounds = ["", "_low", "_high", "_lowest_seed", "_highest_seed"];
        StringBuilder text = new("model,criterion,way,correction,axes,baseline,budget,seeds,images");
        text.Append(string.Concat(figures.SelectMany(figure => bounds.Select(bound => $",{figure}{bound}")))).Append('\n');
        foreach (SweepTableRow row in Rows)
        {
            string[] names = [row.Model, row.Criterion, row.Way, row.Correction, row.Axes];
            IEnumerable<string> values = new[] { row.Flops, row.Parameters, row.Top1, row.Lost }.SelectMany(figure =>
                new[] { figure.Value, figure.Low, figure.High, figure.LowestSeed, figure.HighestSeed })
                .Select(value => value.ToString("G7", CultureInfo.InvariantCulture));
            text.AppendJoin(',', names.Select(name => name.Contains(',', StringComparison.Ordinal) ? $"\"{name}\"" : name)).Append(',')
                .AppendJoin(',', row.Baseline ? "1" : "0", row.Budget ?? "1", $"{row.Seeds}", $"{row.Images}").Append(',')
                .AppendJoin(',', values).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The table as JSON: a list of models, each with its whole model and lines as <c>eval</c> has them.</summary>
    /// <param name="run">What it is from.</param>
    /// <param name="test">The test images as the plan names them.</param>
    /// <param name="photos">The photos as the plan names them.</param>
    public object ToJson(RunRecord run, string test, string photos) => new
    {
        Run = run,
        Interval = IntervalMeaning,
        Models = Rows.GroupBy(row => row.Model).Select(model =>
        {
            SweepResult first = _results.First(result => result.Model == model.Key);
            int criteria = model.Select(row => row.Criterion).Distinct().Count();
            return new
            {
                Name = model.Key,
                Interval = IntervalMeaning,
                Run = new
                {
                    Model = model.Key, first.ModelSha256, first.WeightsSha256, first.Units, first.Provenance, Test = test, Photos = photos,
                },
                Unpruned = Json(model.First(row => row.Budget is null)),
                Lines = model.Where(row => row.Budget is not null)
                    .GroupBy(row => (row.Criterion, row.Way, row.Correction, row.Axes, row.Baseline))
                    .OrderBy(line => line.Key.Baseline)
                    .Select(line => new
                    {
                        Name = criteria > 1 ? $"{line.Key.Criterion}: {line.Key.Way}" : line.Key.Way,
                        Meaning = Meaning(first, line.Key.Way, line.Key.Criterion, line.Key.Axes, line.Key.Correction),
                        line.Key.Criterion,
                        line.Key.Correction,
                        line.Key.Axes,
                        line.Key.Baseline,
                        Rows = line.Select(Json),
                    }),
            };
        }),
    };

    private static string Meaning(SweepResult run, string way, string criterion, string axes, string correction) =>
        run.Lines.FirstOrDefault(line => line.Name == way)?.Meaning is { Length: > 0 } told
            ? told
            : $"scores by {criterion}, axes {axes}, correction {correction}";

    private static object Json(SweepTableRow row) => new
    {
        row.Budget,
        Flops = Math.Round(row.Runs.Average(run => run.Flops)),
        Parameters = Math.Round(row.Runs.Average(run => run.Parameters)),
        FlopsKept = row.Flops.Value,
        ParametersKept = row.Parameters.Value,
        Top1 = row.Top1.Value,
        Top1Interval = new[] { row.Top1.Low, row.Top1.High },
        Top1Seeds = new[] { row.Top1.LowestSeed, row.Top1.HighestSeed },
        LostInterval = new[] { row.Lost.Low, row.Lost.High },
        Lost = row.Lost.Value,
        row.Images,
        row.Seeds,
        MostChanged = row.Runs[0].MostChanged.Count > 0 ? row.Runs[0].MostChanged : null,
        row.Runs[0].Blocks,
    };

    private static string Mean(SweepFigure figure) => figure.LowestSeed == figure.HighestSeed
        ? $"{Percent(figure.Value)} %" : $"{Percent(figure.Value)} % ({Percent(figure.LowestSeed)} to {Percent(figure.HighestSeed)})";

    private static string Percent(double share) => Figures.Invariant($"{(100 * share) + 0.0:0.0}");

    private static IEnumerable<SweepTableRow> OfCriterion(IGrouping<(string Model, string Criterion), SweepResult> runs)
    {
        SweepResult[] seeds = [.. runs];
        yield return Row(seeds, new SweepLine("whole model", "", "none", "all", false, []), null, [.. seeds.Select(seed => seed.Whole)]);
        foreach (SweepLine line in seeds[0].Lines)
        {
            foreach (SweepRow row in line.Rows)
            {
                (SweepResult Seed, SweepRow Row)[] found =
                [
                    .. from seed in seeds
                       from other in seed.Lines
                       where other.Name == line.Name && other.Baseline == line.Baseline
                       from candidate in other.Rows
                       where candidate.Budget == row.Budget
                       select (seed, candidate),
                ];
                yield return Row([.. found.Select(entry => entry.Seed)], line, row.Budget, [.. found.Select(entry => entry.Row)]);
            }
        }
    }

    private static SweepTableRow Row(SweepResult[] seeds, SweepLine line, string? budget, SweepRow[] found)
    {
        SweepRow whole = seeds[0].Whole;
        double[][] hits = [.. found.Select(row => Bits(row.Hits))];
        double[][] wholes = [.. seeds.Select(seed => Bits(seed.Whole.Hits))];

        // A model may classify an image differently in bfloat16 from run to run: each run is paired with its own.
        double[][] lost = [.. hits.Zip(wholes, (cut, uncut) => uncut.Zip(cut, (before, after) => before - after).ToArray())];
        string purpose = string.Join('/', "sweep", seeds[0].Model, seeds[0].Criterion, line.Name, budget);
        return new SweepTableRow(
            seeds[0].Model, seeds[0].Criterion, line.Name, line.Correction, line.Axes, line.Baseline,
            budget, found.Length, wholes[0].Length,
            OfSeeds(found, row => row.Flops / (double)whole.Flops), OfSeeds(found, row => row.Parameters / (double)whole.Parameters),
            Bootstrap(hits, purpose), Bootstrap(lost, purpose), found);
    }

    private static double[] Bits(string hits) => [.. hits.Select(letter => letter == '1' ? 1.0 : 0.0)];

    /// <summary>Costs do not depend on test images.</summary>
    private static SweepFigure OfSeeds(SweepRow[] rows, Func<SweepRow, double> of)
    {
        double[] values = [.. rows.Select(of)];
        return new SweepFigure(values.Average(), values.Min(), values.Max(), values.Min(), values.Max());
    }

    /// <summary>The mean over seeds and images, with its interval: seeds and images are drawn again, each with replacement.</summary>
    private static SweepFigure Bootstrap(double[][] seeds, string purpose)
    {
        SeededRandom random = SeededRandom.ForPurpose(1, purpose);
        int images = seeds[0].Length;
        double[] means = new double[Samples];
        int[] drawn = new int[images];
        for (int sample = 0; sample < Samples; sample++)
        {
            for (int image = 0; image < images; image++)
            {
                drawn[image] = random.NextInt(images);
            }

            for (int seed = 0; seed < seeds.Length; seed++)
            {
                double[] values = seeds[random.NextInt(seeds.Length)];
                double sum = 0;
                foreach (int image in drawn)
                {
                    sum += values[image];
                }

                means[sample] += sum / images / seeds.Length;
            }
        }

        Array.Sort(means);
        double[] each = [.. seeds.Select(values => values.Average())];
        return new SweepFigure(each.Average(), Quantile(Tail), Quantile(1 - Tail), each.Min(), each.Max());

        double Quantile(double share) => means[(int)Math.Round(share * (Samples - 1))];
    }
}
