using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Cli.Output;

namespace SnapViT.Cli.Pages;

/// <summary>Reads what verbs wrote into what a page shows: JSON of build, plan, eval, demo and sweep, and scores files.</summary>
internal sealed class RunReader
{
    private const string Unknown = "model";

    private static readonly string[] Endings = [".safetensors", ".safetensors.index.json", ".pth", ".pt", ".bin", ".npz"];

    private readonly List<ReportModel> _models = [];
    private readonly List<RunFacts> _facts = [];

    /// <summary>The title of the page; null for one that is made from the models.</summary>
    public string? Title { get; init; }

    /// <summary>What was done; null for what the runs say.</summary>
    public string? Lead { get; init; }

    /// <summary>What was read so far.</summary>
    public ReportData Data => new(
        Title ?? $"{string.Join(" and ", _models.Select(model => model.Name))} at every size", Lead ?? "", _models, _facts);

    /// <summary>Reads a file that a verb wrote.</summary>
    /// <param name="path">JSON, or scores.</param>
    /// <exception cref="SnapViTException">It is neither, or damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Read(string path)
    {
        if (!IsJson(path))
        {
            Read(path, ElasticScores.Load(path));
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            Read(path, document.RootElement);
        }
        catch (JsonException exception)
        {
            throw new SnapViTException(
                ErrorKind.File, $"{path}: expected one JSON object as a verb prints it with --json, found {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new SnapViTException(
                ErrorKind.File, $"{path}: expected the names of docs/json.md, found others ({exception.Message})", exception);
        }
    }

    /// <summary>Reads the JSON object of a verb.</summary>
    /// <param name="source">Where it is from, for errors and the list of runs.</param>
    /// <param name="json">The object.</param>
    public void Read(string source, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new SnapViTException(ErrorKind.File, $"{source}: expected one JSON object, found {json.ValueKind}");
        }

        if (Find(json, "error") is JsonElement error)
        {
            throw new SnapViTException(
                ErrorKind.File, $"{source}: expected a result, found the error of a run that failed: {Text(error, "message")}");
        }

        if (Find(json, "models") is JsonElement models)
        {
            foreach (JsonElement each in models.EnumerateArray())
            {
                ReadRows(source, each);
            }

            AddFacts(source, json);
        }
        else if (Find(json, "rows") is not null || Find(json, "lines") is not null)
        {
            ReadRows(source, json);
            AddFacts(source, json);
        }
        else if (Find(json, "blocks") is not null && Find(json, "budget") is not null)
        {
            ReadPlan(source, json);
        }
        else if (Find(json, "provenance") is JsonElement provenance && Find(json, "out") is not null)
        {
            ReadBuild(source, json, provenance);
        }
        else
        {
            throw new SnapViTException(
                ErrorKind.File, $"{source}: expected the JSON of build, plan, eval, demo or sweep, found another object");
        }
    }

    private static bool IsJson(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[64];
        int read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);

        // A safetensors file begins with a length in binary, whose high bytes are zero.
        return read > 0 && !start[..read].Contains((byte)0) && start[..read].TrimStart(" \t\r\n\uFEFF"u8) is [(byte)'{' or (byte)'[', ..];
    }

    private void ReadRows(string source, JsonElement json)
    {
        JsonElement? run = Find(json, "run");
        ReportModel model = Model(Text(run, "weights_sha256"), Text(run, "model") ?? Text(json, "name"));
        ReadUnits(model, run);
        model.TestPath ??= Text(run, "test");
        model.TestSha256 ??= Text(run, "test_sha256");
        if (Number(json, "scored_test_images") is double scored)
        {
            model.ScoredTestImages = Math.Max(model.ScoredTestImages ?? 0, (int)scored);
        }

        model.PhotosPath ??= Text(run, "photos");
        model.IntervalMeaning = Text(json, "interval") ?? model.IntervalMeaning;
        if (Find(run, "provenance") is JsonElement provenance)
        {
            model.Provenance = Pairs(provenance).ToDictionary(pair => pair.Name, pair => pair.Value);
        }

        if (Find(json, "unpruned") is JsonElement whole)
        {
            ReportRow measured = Row(whole);
            model.Whole = measured;
            model.Images = (int)(Number(whole, "images") ?? 0);
        }

        if (Find(json, "fitness_history") is JsonElement history)
        {
            model.Fitness = [.. history.EnumerateArray().Select(value => value.GetDouble())];
        }

        if (Find(json, "rows") is JsonElement rows)
        {
            string? correction = Text(Find(run, "options"), "correction");
            Add(model, new ReportLine(Text(json, "line") ?? "SnapViT", MeaningOf(run, correction), false, Rows(rows)));
        }

        foreach (JsonElement line in Items(json, "lines").Concat(Items(json, "baselines")))
        {
            bool isBaseline = Find(line, "baseline")?.ValueKind == JsonValueKind.True;
            Add(model,
                new ReportLine(Text(line, "name") ?? "line", Text(line, "meaning") ?? "", isBaseline, Rows(line.GetProperty("rows"))));
        }
    }

    /// <summary>Lines of the same name from several runs stay apart by a number.</summary>
    private static void Add(ReportModel model, ReportLine line)
    {
        // The whole model stands for itself.
        ReportRow[] rows = [.. line.Rows.Where(row => row.Budget is not null).OrderByDescending(row => row.Flops)];
        int same = model.Lines.Count(other => other.Name == line.Name || other.Name.StartsWith($"{line.Name} (", StringComparison.Ordinal));
        if (rows.Length > 0)
        {
            model.Lines.Add(line with { Rows = rows, Name = same == 0 ? line.Name : Figures.Invariant($"{line.Name} ({same + 1})") });
        }

        if (model.Whole is null or { Accuracy.Count: 0 } && line.Rows.FirstOrDefault(row => row.Budget is null) is ReportRow whole)
        {
            model.Whole = whole;
        }
    }

    private static string MeaningOf(JsonElement? run, string? correction)
    {
        string criterion = Text(Find(run, "provenance"), "criterion") is string name ? $"scores by {name}" : "the model's scores";
        string fitted = correction is null or "auto"
            ? "what is left is re-fitted where the scores hold second moments" : $"correction {correction}";
        return $"{criterion}, {fitted}";
    }

    private void ReadPlan(string source, JsonElement json)
    {
        JsonElement? run = Find(json, "run");
        ReportModel model = Model(Text(run, "weights_sha256"), Text(run, "model"));
        ReadUnits(model, run);
        Add(model, new ReportLine("plan", "what a budget would leave", false, [Row(json)]));
        AddFacts(source, json);
    }

    private void ReadBuild(string source, JsonElement json, JsonElement provenance)
    {
        Dictionary<string, string> made = Pairs(provenance).ToDictionary(pair => pair.Name, pair => pair.Value);
        ReportModel model = Model(made.GetValueOrDefault(ElasticScores.WeightsHash), made.GetValueOrDefault("model"));
        model.Provenance = made;
        model.PhotosPath ??= Text(Find(json, "run"), "photos");
        if (Find(json, "fitness_history") is JsonElement history)
        {
            model.Fitness = [.. history.EnumerateArray().Select(value => value.GetDouble())];
        }

        AddFacts(source, json);
    }

    /// <summary>Reads scores.</summary>
    /// <param name="path">Where they are from, for the list of runs.</param>
    /// <param name="scores">The scores.</param>
    public void Read(string path, ElasticScores scores)
    {
        ReportModel model = Model(
            scores.Provenance.GetValueOrDefault(ElasticScores.WeightsHash), scores.Provenance.GetValueOrDefault("model"));
        model.Provenance = scores.Provenance;
        model.Scored = scores.ScoredImages;
        if (scores.Frontiers.OrderBy(pair => pair.Key).FirstOrDefault().Value is Frontier frontier)
        {
            SubnetWidths whole = frontier.Slices[0].Widths;
            if (model.Units.Count == 0)
            {
                model.Units = AxisTable.Rows.ToDictionary(axis => axis.Axis, axis => whole[0][axis.Axis]);
            }

            model.Frontier =
            [
                .. frontier.Slices.Select(slice => new ReportRow
                {
                    Flops = 0,
                    Parameters = 0,
                    Accuracy = new Dictionary<string, Interval>(),
                    Distance = slice.Distance,
                    Blocks = [.. slice.Widths.Select(block => AxisTable.Rows.ToDictionary(axis => axis.Axis, axis => block[axis.Axis]))],
                }),
            ];
        }

        _facts.Add(new RunFacts(
            $"scores: {Path.GetFileName(path)}",
            [.. scores.Provenance.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value))]));
    }

    private ReportModel Model(string? hash, string? name)
    {
        string key = hash ?? name ?? Unknown;
        ReportModel? model = _models.Find(known => known.Key == key);
        if (model is null)
        {
            model = new ReportModel(key, Short(name ?? Unknown));
            _models.Add(model);
        }

        return model;
    }

    /// <summary>A name without the ending of a file of weights; what follows another point belongs to it.</summary>
    private static string Short(string name) =>
        Endings.FirstOrDefault(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase)) is string ending
            ? name[..^ending.Length] : name;

    private static void ReadUnits(ReportModel model, JsonElement? run)
    {
        if (run is JsonElement told && Number(told, "flops") is double flops && Number(told, "parameters") is double parameters)
        {
            model.Whole ??= new ReportRow { Flops = flops, Parameters = parameters, Accuracy = new Dictionary<string, Interval>() };
        }

        if (Find(run, "units") is JsonElement units)
        {
            model.Units = Widths(units);
        }
    }

    private void AddFacts(string source, JsonElement json)
    {
        List<(string Name, string Value)> rows = [];
        JsonElement? run = Find(json, "run");
        foreach (string name in new[] { "verb", "version", "model", "model_sha256", "weights_sha256",
            "scores", "photos", "test", "test_sha256" })
        {
            if (Text(run, name) is string value)
            {
                rows.Add((name, value));
            }
        }

        string dashes = Text(run, "verb") == "sweep" ? "" : "--";
        rows.AddRange(Pairs(Find(run, "options")).Select(pair => (dashes + pair.Name, pair.Value)));
        foreach (string name in new[] { "preprocessing", "precision", "batch", "seed", "photos", "test_images" })
        {
            if (Text(json, name) is string value)
            {
                rows.Add((name, value));
            }
        }

        IEnumerable<(string, string)> provenance = Pairs(Find(run, "provenance") ?? Find(json, "provenance"));
        rows.AddRange(provenance.Select(pair => ($"scores: {pair.Item1}", pair.Item2)));
        rows.AddRange(Items(json, "notes").Concat(Items(json, "doubts")).Select(note => ("note", note.GetString() ?? "")));
        _facts.Add(new RunFacts($"{Text(run, "verb") ?? "run"}: {Path.GetFileName(source)}", rows));
    }

    private static ReportRow[] Rows(JsonElement rows) => [.. rows.EnumerateArray().Select(Row)];

    private static ReportRow Row(JsonElement row)
    {
        Dictionary<string, Interval> accuracy = [];
        bool isFirst = true;
        foreach ((string key, _) in ReportModel.Metrics)
        {
            if (Number(row, key) is double value)
            {
                // An interval without the name of a figure belongs to the main one.
                accuracy[key] = Measured(row, key, value) is { Low: not null } own ? own
                    : isFirst ? Measured(row, "accuracy", value)
                    : new Interval(value);
                isFirst = false;
            }
        }

        return new ReportRow
        {
            Budget = Text(row, "budget"),
            Flops = Number(row, "flops") ?? 0,
            Parameters = Number(row, "parameters") ?? 0,
            LatencyMs = Number(row, "latency_ms"),
            Accuracy = accuracy,
            Speed = Number(row, "images_per_second") is double speed
                && Measured(row, "images_per_second", speed) is { Low: not null } spread
                ? spread
                : null,
            Distance = Number(row, "distance"),
            Blocks = [.. Items(row, "blocks").Select(Widths)],
            Changed =
            [
                .. Items(row, "most_changed").Select(image => new ChangedImage(
                    Text(image, "name") ?? "", Number(image, "distance") ?? 0, Text(image, "before"), Text(image, "after"))),
            ],
        };
    }

    /// <summary>A figure with <c>NAME_interval</c>, two numbers.</summary>
    private static Interval Measured(JsonElement row, string name, double value) =>
        Find(row, $"{name}_interval") is not JsonElement interval ? new Interval(value)
        : interval.ValueKind == JsonValueKind.Array ? new Interval(value, interval[0].GetDouble(), interval[1].GetDouble())
        : new Interval(value, Number(interval, "low"), Number(interval, "high"));

    private static Dictionary<Axis, int> Widths(JsonElement block) => AxisTable.Rows.ToDictionary(
        axis => axis.Axis,
        axis => block.EnumerateObject().FirstOrDefault(property =>
            string.Equals(property.Name.Replace("_", "", StringComparison.Ordinal), axis.Key, StringComparison.OrdinalIgnoreCase)).Value
            is { ValueKind: JsonValueKind.Number } value ? value.GetInt32() : 0);

    private static IEnumerable<(string Name, string Value)> Pairs(JsonElement? json) => json is { ValueKind: JsonValueKind.Object } pairs
        ? pairs.EnumerateObject().Where(pair => pair.Value.ValueKind != JsonValueKind.Null).Select(pair => (pair.Name, Said(pair.Value)))
        : [];

    private static IEnumerable<JsonElement> Items(JsonElement json, string name) =>
        Find(json, name) is { ValueKind: JsonValueKind.Array } items ? items.EnumerateArray() : [];

    private static JsonElement? Find(JsonElement? json, string name) =>
        json is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out JsonElement value)
            && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? Text(JsonElement? json, string name) =>
        Find(json, name) is JsonElement value && value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array) ? Said(value) : null;

    private static string Said(JsonElement value) =>
        value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetRawText() : value.ToString();

    private static double? Number(JsonElement json, string name) =>
        Find(json, name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;
}
