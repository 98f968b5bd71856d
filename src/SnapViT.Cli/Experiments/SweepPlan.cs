using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Workflows;

namespace SnapViT.Cli.Experiments;

/// <summary>One model of a sweep.</summary>
/// <param name="Path">A file or folder, from the folder of the plan, or a name on the hub.</param>
/// <param name="Preprocess">How images become its input; null for what its files say.</param>
internal sealed record SweepModel(string Path, string? Preprocess = null)
{
    /// <summary>Its name in tables.</summary>
    [JsonIgnore]
    public string Name => System.IO.Path.GetFileNameWithoutExtension(System.IO.Path.TrimEndingDirectorySeparator(Path));
}

/// <summary>What a sweep measures: every combination of the lists.</summary>
internal sealed record SweepPlan
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        AllowTrailingCommas = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
    };

    /// <summary>The ways of dividing a budget between axes, by their names.</summary>
    private static readonly (string Name, PlanOptions How)[] Ways =
    [
        ("all", new PlanOptions { Allocation = Allocation.Frontier }),
        ("no-tokens", new PlanOptions { Allocation = Allocation.Frontier, WholeAxes = [Axis.Tokens] }),
        ("no-head-dims", new PlanOptions { Allocation = Allocation.Frontier, WholeAxes = [Axis.QueryKeyDims, Axis.ValueDims] }),
        ("heads-neurons", new PlanOptions { Allocation = Allocation.Pools }),
    ];

    private static readonly (string Name, CorrectionOptions? How)[] Fits =
    [
        ("none", null),
        ("affine", new CorrectionOptions()),
        ("sparsegpt", new CorrectionOptions { Mode = CorrectionMode.SparseGpt }),
    ];

    /// <summary>The models.</summary>
    public required IReadOnlyList<SweepModel> Models { get; init; }

    /// <summary>Photos to score on, without labels.</summary>
    public required string Images { get; init; }

    /// <summary>Labelled test images of the models' own classes; those that any run is scored on are left out.</summary>
    public required string Test { get; init; }

    /// <summary>What tells the classes of the test images; null for their folders.</summary>
    public string? Labels { get; init; }

    /// <summary>Photos of a run at most.</summary>
    public int Photos { get; init; } = 256;

    /// <summary>Test images at most; null for all.</summary>
    public int? TestImages { get; init; }

    /// <summary>Photos of a run that are kept for the frontier, of <see cref="Photos"/>.</summary>
    public int FrontierPhotos { get; init; } = BuildOptions.DefaultFrontierImages;

    /// <summary>Candidates of the search; 0 for none.</summary>
    public int Evaluations { get; init; }

    /// <summary>Criteria by their names.</summary>
    public IReadOnlyList<string> Criteria { get; init; } = ["curvature"];

    /// <summary>Corrections: none, affine, sparsegpt.</summary>
    public IReadOnlyList<string> Corrections { get; init; } = ["affine"];

    /// <summary>Axes: all, no-tokens, no-head-dims, heads-neurons.</summary>
    public IReadOnlyList<string> Axes { get; init; } = ["all"];

    /// <summary>Seeds.</summary>
    public IReadOnlyList<ulong> Seeds { get; init; } = [42];

    /// <summary>Budgets as <c>--budgets</c> takes them.</summary>
    public required IReadOnlyList<string> Budgets { get; init; }

    /// <summary>Whether baselines are measured too.</summary>
    public bool Baselines { get; init; } = true;

    /// <summary>The budgets with their texts.</summary>
    [JsonIgnore]
    public IReadOnlyList<(string Text, Budget Budget)> ParsedBudgets => [.. Budgets.Select(text => (text, Budget.Parse(text)))];

    /// <summary>The ways of the plan.</summary>
    [JsonIgnore]
    public IEnumerable<(string Name, PlanOptions How)> ChosenAxes => Ways.Where(way => Axes.Contains(way.Name));

    /// <summary>The corrections of the plan, in its order.</summary>
    [JsonIgnore]
    public IEnumerable<(string Name, CorrectionOptions? How)> ChosenCorrections =>
        Corrections.Select(name => Array.Find(Fits, fit => fit.Name == name));

    /// <summary>Reads a plan.</summary>
    /// <param name="path">The JSON file.</param>
    /// <exception cref="SnapViTException">It is no plan; the message is one line.</exception>
    public static SweepPlan Read(string path)
    {
        try
        {
            JsonNode? read = JsonNode.Parse(
                File.ReadAllBytes(path),
                documentOptions: new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            SweepPlan plan = (read is JsonObject named ? Expanded(named) : read).Deserialize<SweepPlan>(Json)
                ?? throw new SnapViTException(ErrorKind.File, $"{path}: expected a plan, found null");
            plan.Check(path);
            return plan;
        }
        catch (JsonException exception)
        {
            string where = exception.LineNumber is long line
                ? $" (line {line + 1}{(exception.Path is null ? "" : $", {exception.Path}")})" : "";
            string what = exception.Message.Split(" Path: ")[0].Split(" | ")[0]
                .Replace("SnapViT.Cli.Experiments.", "", StringComparison.Ordinal);
            throw new SnapViTException(ErrorKind.File, $"{path}: expected a plan as in docs/report.md, found: {what}{where}", exception);
        }
    }

    /// <summary>A path of the plan, which is meant from the folder of the plan.</summary>
    public static string Resolve(string plan, string path)
    {
        string near = Path.Combine(Path.GetDirectoryName(plan) ?? "", path);
        return Path.Exists(near) || near.Contains('*', StringComparison.Ordinal) ? near : path;
    }

    /// <summary>What the build of one run does.</summary>
    /// <param name="criterion">The criterion.</param>
    /// <param name="seed">The seed.</param>
    public BuildOptions Build(string criterion, ulong seed)
    {
        BuildOptions preset = BuildOptions.Recommended;
        Criterion chosen = criterion == preset.Criterion.Name ? preset.Criterion : Criterion.Named(criterion);
        bool hasFrontier = ChosenAxes.Any(way => way.How.Allocation == Allocation.Frontier);
        return preset with
        {
            Criterion = chosen,
            Samples = Photos,
            CalibrationImages = hasFrontier ? Photos - FrontierPhotos : Photos,
            FrontierImages = hasFrontier ? FrontierPhotos : 0,
            Evaluations = Evaluations,
            Seed = seed,
        };
    }

    /// <summary>What it says, a text for each name.</summary>
    public IReadOnlyDictionary<string, string> Describe() => JsonSerializer.SerializeToElement(this, Json).EnumerateObject()
        .Where(property => property.Value.ValueKind != JsonValueKind.Null)
        .ToDictionary(property => property.Name, property => property.Value.ToString());

    /// <summary>A short hash of all that a run depends on.</summary>
    /// <param name="model">SHA-256 of the model.</param>
    /// <param name="criterion">The criterion.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="test">SHA-256 of the test images.</param>
    /// <param name="arithmetic">Precision, device and threads.</param>
    public string Key(string model, string criterion, ulong seed, string test, string arithmetic)
    {
        SweepPlan alone = this with { Models = [], Criteria = [criterion], Seeds = [seed] };
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(new { model, alone, test, arithmetic }, Json);
        return Convert.ToHexStringLower(SHA256.HashData(text))[..16];
    }

    /// <summary>A model may be its path alone, and a budget a number.</summary>
    private static JsonObject Expanded(JsonObject plan)
    {
        if (plan["models"] is JsonArray models)
        {
            plan["models"] = new JsonArray(
                [.. models.Select(model => model?.GetValueKind() == JsonValueKind.String
                    ? new JsonObject { ["path"] = model.DeepClone() } : model?.DeepClone())]);
        }

        if (plan["budgets"] is JsonArray budgets)
        {
            plan["budgets"] = new JsonArray(
                [.. budgets.Select(budget =>
                    budget?.GetValueKind() == JsonValueKind.Number ? budget.ToJsonString() : budget?.DeepClone())]);
        }

        return plan;
    }

    private void Check(string path)
    {
        List<string> faults = [];
        OneOf("criteria", Criteria, [.. Criterion.All.Where(criterion => !criterion.NeedsLabels).Select(criterion => criterion.Name)]);
        OneOf("corrections", Corrections, [.. Fits.Select(fit => fit.Name)]);
        OneOf("axes", Axes, [.. Ways.Select(way => way.Name)]);
        OneOf("models: preprocess", Models.Select(model => model.Preprocess).OfType<string>(), Preprocessing.Names, mayBeEmpty: true);
        foreach ((string name, int count) in new[] { ("models", Models.Count), ("seeds", Seeds.Count), ("budgets", Budgets.Count) })
        {
            Require(count > 0, $"{name}: expected at least one, found none");
        }

        Require(Seeds.Distinct().Count() == Seeds.Count, "seeds: expected each once, found one twice");
        Require(Models.DistinctBy(model => model.Name).Count() == Models.Count, "models: expected names that differ, found one twice");
        Require(Photos >= 2, $"photos: expected at least 2, found {Photos}");
        Require(TestImages is null or >= 1, $"test_images: expected at least 1, found {TestImages}");
        Require(Evaluations >= 0, $"evaluations: expected 0 or more, found {Evaluations}");
        Require(
            FrontierPhotos >= 1 && FrontierPhotos < Photos,
            $"frontier_photos: expected at least 1 and fewer than photos ({Photos}), found {FrontierPhotos}");
        foreach (string text in Budgets)
        {
            try
            {
                Require(Budget.Parse(text).Unit != CostUnit.Nanoseconds,
                    $"budgets: expected no latency, which differs between machines, found '{text}'");
            }
            catch (BudgetException exception)
            {
                faults.Add($"budgets: {exception.Message}");
            }
        }

        if (faults.Count > 0)
        {
            throw new SnapViTException(ErrorKind.Option, $"{path}: {string.Join("; ", faults)}");
        }

        void OneOf(string name, IEnumerable<string> found, IReadOnlyCollection<string> known, bool mayBeEmpty = false)
        {
            string[] all = [.. found];
            Require(mayBeEmpty || all.Length > 0, $"{name}: expected at least one, found none");
            faults.AddRange(all.Where(value => !known.Contains(value))
                .Select(value => $"{name}: expected one of {string.Join(", ", known)}, found '{value}'"));
            Require(all.Distinct().Count() == all.Length || mayBeEmpty, $"{name}: expected each once, found one twice");
        }

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }
}
