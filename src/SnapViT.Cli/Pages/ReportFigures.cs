using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;

namespace SnapViT.Cli.Pages;

/// <summary>The pictures of one model, and what is said beside them.</summary>
internal sealed class ReportFigures
{
    /// <summary>The share of the FLOPs that the sentence at the top is about.</summary>
    private const double Told = 0.6;

    private readonly ReportModel _model;

    /// <summary>Draws the pictures of a model.</summary>
    public ReportFigures(ReportModel model)
    {
        _model = model;
        Accuracy = [.. DrawAccuracy(), .. DrawOthers()];
        (Maps, MapsOf) = DrawMaps();
        Search = [.. DrawSearch()];
    }

    /// <summary>Accuracy against every cost that was measured, with the names of their files.</summary>
    public IReadOnlyList<(string Name, Drawing Drawing)> Accuracy { get; }

    /// <summary>What every block keeps, a map for each axis that is shortened.</summary>
    public IReadOnlyList<(string Name, Drawing Drawing)> Maps { get; }

    /// <summary>Whose widths the maps show.</summary>
    public string MapsOf { get; }

    /// <summary>How the search went.</summary>
    public IReadOnlyList<(string Name, Drawing Drawing)> Search { get; }

    /// <summary>All pictures.</summary>
    public IEnumerable<(string Name, Drawing Drawing)> All => Accuracy.Concat(Maps).Concat(Search);

    /// <summary>What the pictures of the search show.</summary>
    public string SearchNote => string.Join(" ", new[]
    {
        _model.Frontier.Count > 0
            ? "The frontier is one path from the whole model to the smallest: each step takes from the axis where it costs least. "
                + "Distance is how far the outputs are from those of the whole model, measured on photos."
                + (ShownSteps == _model.Frontier.Count
                    ? "" : " The last step, down to what every block keeps at least, has "
                        + Figures.Invariant($"{_model.Frontier[^1].Distance:0.00}.")) : "",
        _model.Fitness.Count > 1
            ? "The search weighs blocks against each other; fitness is 1 - cosine to the unpruned features, lower is better." : "",
    }.Where(text => text.Length > 0));

    /// <summary>Steps whose distances are on one scale: the last, down to the floors, is often far off.</summary>
    private int ShownSteps => _model.Frontier is [.., { Distance: double before }, { Distance: double last }] && last > 3 * before
        ? _model.Frontier.Count - 1
        : _model.Frontier.Count;

    /// <summary>What the accuracies and their intervals are.</summary>
    public string AccuracyNote
    {
        get
        {
            bool hasIntervals = _model.Lines.SelectMany(line => line.Rows).Append(_model.Whole)
                .Any(row => row?.Accuracy.Values.Any(value => value.Low is not null) == true);
            string images = _model.Images > 0 ? Figures.Invariant($"Measured on {_model.Images} test images. ") : "";
            string intervals = hasIntervals ? $"Bars are intervals: {_model.IntervalMeaning}. " : "The run holds no intervals. ";
            return $"{images}{intervals}Point at a mark, or tap it, for its figures.";
        }
    }

    /// <summary>What the model keeps near 60 % of the FLOPs; null where that was not measured.</summary>
    public string? KeySentence
    {
        get
        {
            if (_model.Measured.Count == 0 || _model.Whole?.Accuracy.GetValueOrDefault(_model.Measured[0].Key) is not Interval whole)
            {
                return null;
            }

            (string key, string label) = _model.Measured[0];
            ReportRow? row = _model.Lines.Where(line => !line.IsBaseline).Take(1).SelectMany(line => line.Rows)
                .Where(row => row.Accuracy.ContainsKey(key)).MinBy(row => Math.Abs((_model.FlopShare(row) ?? 0) - Told));
            if (row is null)
            {
                return $"{_model.Name} has {label} {Figures.Percent(whole.Value)}.";
            }

            ReportLine? baseline = _model.Lines.Find(line => line.IsBaseline);
            ReportRow? other = baseline?.Rows.Where(candidate => candidate.Accuracy.ContainsKey(key))
                .MinBy(candidate => Math.Abs(candidate.Flops - row.Flops));
            string against = other is not null && Math.Abs(other.Flops / row.Flops - 1) < 0.05
                ? $" ({baseline!.Name}: {Figures.Percent(other.Accuracy[key].Value)})" : "";
            return $"At {Figures.Percent(_model.FlopShare(row)!.Value, 0)} of the FLOPs {label} is "
                + $"{Figures.Percent(row.Accuracy[key].Value)}{against}; the whole model has {Figures.Percent(whole.Value)}.";
        }
    }

    /// <summary>A name for files.</summary>
    public static string FileName(string text) =>
        string.Concat(text.Select(letter => char.IsAsciiLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : '-')).Trim('-');

    private IEnumerable<(string, Drawing)> DrawAccuracy()
    {
        foreach ((string key, string label) in _model.Measured.Take(1))
        {
            if (_model.Whole is not null)
            {
                yield return Chart($"{key}-flops", "FLOPs kept, %", label, row => Share(_model.FlopShare(row)), key);
                yield return Chart($"{key}-parameters", "parameters kept, %", label, row => Share(_model.ParameterShare(row)), key);
            }
            else
            {
                yield return Chart($"{key}-flops", "FLOPs, billions", label, row => new Interval(row.Flops / 1e9), key);
            }

            if (Rows.Any(row => row.LatencyMs is not null))
            {
                yield return Chart(
                    $"{key}-latency", "latency by the measured table, ms", label,
                    row => row.LatencyMs is double ms ? new Interval(ms) : null, key);
            }
            else if (Rows.Any(row => row.Speed is not null))
            {
                yield return Chart($"{key}-time", "measured time of an image, ms (bars: quartiles)", label, Time, key);
            }
        }
    }

    /// <summary>Every other kind of accuracy against FLOPs.</summary>
    private IEnumerable<(string, Drawing)> DrawOthers() =>
        _model.Whole is null ? [] : _model.Measured.Skip(1).Where(metric => metric.Key != "top5")
        .Select(metric => Chart($"{metric.Key}-flops", "FLOPs kept, %", metric.Label, row => Share(_model.FlopShare(row)), metric.Key));

    private IEnumerable<ReportRow> Rows => _model.Lines.SelectMany(line => line.Rows).Append(_model.Whole).OfType<ReportRow>();

    private static Interval? Share(double? share) => share is double value ? new Interval(100 * value) : null;

    /// <summary>Milliseconds of one image; a fast quartile is a short time.</summary>
    private static Interval? Time(ReportRow row) =>
        row.Speed is { Low: double low, High: double high } speed ? new Interval(1e3 / speed.Value, 1e3 / high, 1e3 / low) : null;

    private (string, Drawing) Chart(string name, string horizontal, string label, Func<ReportRow, Interval?> cost, string key)
    {
        IEnumerable<ReportLine> lines = _model.Lines.Count > 0 ? _model.Lines : [new ReportLine("whole model", "", false, [])];
        ChartSeries[] series =
        [
            .. lines.Select((line, style) => new ChartSeries(
                line.Name, style,
                [
                    .. line.Rows.Append(_model.Whole).OfType<ReportRow>()
                        .Where(row => row.Accuracy.ContainsKey(key) && cost(row) is not null)
                        .OrderBy(row => row.Flops)
                        .Select(row => new ChartPoint(cost(row)!, Hundred(row.Accuracy[key]), Tip(line, row))),
                ])),
        ];
        return (
            $"{FileName(_model.Name)}-{name}", Charts.Lines(horizontal, $"{label}, %", [.. series.Where(entry => entry.Points.Count > 0)]));
    }

    private static Interval Hundred(Interval share) => new(100 * share.Value, 100 * share.Low, 100 * share.High);

    private string Tip(ReportLine line, ReportRow row)
    {
        List<string> said = [row.Budget is null ? "whole model" : $"{line.Name}, budget {row.Budget}"];
        said.AddRange(ReportModel.Metrics.Where(metric => row.Accuracy.ContainsKey(metric.Key)).Select(metric =>
        {
            Interval value = row.Accuracy[metric.Key];
            string? range = ReportTable.Range(value, ReportTable.Percent);
            return $"{metric.Label} {Figures.Percent(value.Value)}{(range is null ? "" : $" ({range})")}";
        }));
        said.Add($"FLOPs {Figures.Count((long)row.Flops)}{Of(_model.FlopShare(row))}");
        said.Add($"parameters {Figures.Count((long)row.Parameters)}{Of(_model.ParameterShare(row))}");
        if (row.LatencyMs is double ms)
        {
            said.Add(Figures.Invariant($"latency {ms:0.00} ms by the table"));
        }

        if (row.Speed is Interval speed)
        {
            said.Add(Figures.Invariant($"{speed.Value:0} images/s (quartiles {speed.Low:0} to {speed.High:0})"));
        }

        return string.Join('\n', said);

        static string Of(double? share) => share is double value ? $", {Figures.Percent(value)}" : "";
    }

    private (IReadOnlyList<(string, Drawing)>, string) DrawMaps()
    {
        ReportLine? line = _model.Lines.Where(line => !line.IsBaseline).FirstOrDefault(line => line.Rows.Any(row => row.Blocks.Count > 0));
        (string Name, ReportRow Row)[] rows = line is not null
            ? [.. line.Rows.Prepend(_model.Whole).OfType<ReportRow>().Where(row => row.Blocks.Count > 0).Select(row => (NameOf(row), row))]
            : [.. _model.Frontier.Select((row, step) => (Figures.Invariant($"step {step}"), row))];
        if (rows.Length == 0)
        {
            return ([], "");
        }

        IReadOnlyDictionary<Axis, int> units = _model.Units.Count > 0
            ? _model.Units
            : AxisTable.Rows.ToDictionary(axis => axis.Axis, axis => rows.Max(row => row.Row.Blocks.Max(block => block[axis.Axis])));
        return (
        [
            .. AxisTable.Rows.Where(axis => rows.Any(row => row.Row.Blocks.Any(block => block[axis.Axis] < units[axis.Axis])))
                .Select(axis => (
                    $"{FileName(_model.Name)}-{FileName(axis.Label)}",
                    Charts.Map(axis, units[axis.Axis],
                        [.. rows.Select(row => (row.Name, (IReadOnlyList<int>)[.. row.Row.Blocks.Select(block => block[axis.Axis])]))]))),
        ],
        line is not null ? $"Sub-networks of {line.Name}" : "Steps of the frontier");

        string NameOf(ReportRow row) => _model.FlopShare(row) is double share ? Figures.Percent(share, 0) : row.Budget ?? "whole";
    }

    private IEnumerable<(string, Drawing)> DrawSearch()
    {
        string file = FileName(_model.Name);
        if (_model.Frontier.Count > 1)
        {
            ChartPoint[] points =
            [
                .. _model.Frontier.Take(ShownSteps).Select((row, step) => new ChartPoint(
                    new Interval(step), new Interval(row.Distance ?? 0),
                    Figures.Invariant($"step {step}\ndistance {row.Distance ?? 0:0.0000}"))),
            ];
            yield return (
                $"{file}-frontier",
                Charts.Lines("step of the frontier", "distance from the whole model", [new ChartSeries("measured on photos", 0, points)]));
        }

        if (_model.Fitness.Count > 1)
        {
            double best = double.PositiveInfinity;
            ChartPoint[] candidates = [.. _model.Fitness.Select((value, index) => Point(index, value, "candidate"))];
            ChartPoint[] lowest = [.. _model.Fitness.Select((value, index) => Point(index, best = Math.Min(best, value), "best so far"))];
            yield return ($"{file}-search", Charts.Lines(
                "evaluation", "fitness, lower is better",
                [new ChartSeries("best so far", 0, lowest), new ChartSeries("candidate", 1, candidates, HasLine: false)]));
        }

        static ChartPoint Point(int index, double value, string what) =>
            new(new Interval(index), new Interval(value), Figures.Invariant($"{what} after {index} evaluations\nfitness {value:0.0000}"));
    }
}
