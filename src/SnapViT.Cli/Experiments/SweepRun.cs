using System.Text.Json;
using System.Text.Json.Serialization;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Experiments;

/// <summary>One sub-network of a run.</summary>
/// <param name="Budget">The budget; null for the whole model.</param>
/// <param name="Flops">FLOPs of one image.</param>
/// <param name="Parameters">Learned parameters.</param>
/// <param name="Hits">A letter for each test image: 1 where it was classified rightly, else 0.</param>
/// <param name="Blocks">What every block keeps.</param>
/// <param name="MostChanged">The images whose features moved most, as <c>eval</c> lists them.</param>
internal sealed record SweepRow(
    string? Budget, long Flops, long Parameters, string Hits, IReadOnlyList<BlockWidths> Blocks, IReadOnlyList<JsonElement> MostChanged);

/// <summary>One way of cutting in a run.</summary>
internal sealed record SweepLine(string Name, string Meaning, string Correction, string Axes, bool Baseline, IReadOnlyList<SweepRow> Rows);

/// <summary>What a finished run leaves: one model, criterion and seed.</summary>
/// <param name="Key">The hash of all that it depends on (<see cref="SweepPlan.Key"/>).</param>
/// <param name="Model">The name of the model.</param>
/// <param name="ModelSha256">SHA-256 of its file.</param>
/// <param name="WeightsSha256">SHA-256 of its weights.</param>
/// <param name="Criterion">The criterion.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Units">Units of every axis in a block of the whole model.</param>
/// <param name="Provenance">What the scores were made from.</param>
/// <param name="Whole">The whole model.</param>
/// <param name="Lines">The ways of cutting.</param>
internal sealed record SweepResult(
    string Key, string Model, string ModelSha256, string WeightsSha256, string Criterion, ulong Seed,
    IReadOnlyDictionary<string, int> Units, IReadOnlyDictionary<string, string> Provenance,
    SweepRow Whole, IReadOnlyList<SweepLine> Lines)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>Reads a finished run; null where there is none, or one of another plan.</summary>
    public static SweepResult? Find(string path, string key)
    {
        try
        {
            return File.Exists(path) && JsonSerializer.Deserialize<SweepResult>(File.ReadAllBytes(path), Json) is SweepResult found
                && found.Key == key ? found : null;
        }
        catch (JsonException)
        {
            // Written by someone else, since runs are written atomically: it is measured again.
            return null;
        }
    }

    /// <summary>Writes it, atomically.</summary>
    public void Save(string path)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(this, Json);
        AtomicFile.Write(path, stream => stream.Write(text));
    }
}

/// <summary>One run of a sweep at work: it is built, and all ways of cutting are measured in one pass over the test images.</summary>
/// <param name="plan">The plan.</param>
/// <param name="model">The model; stays the caller's.</param>
/// <param name="preprocessing">How images become its input.</param>
/// <param name="precision">Precision of the matrix products.</param>
/// <param name="device">Where it runs.</param>
internal sealed class SweepRun(SweepPlan plan, LoadedModel model, Preprocessing preprocessing, ScalarType precision, Device device)
{
    private const int BatchSize = 16;

    /// <summary>Builds the scores, or reads those that are there.</summary>
    /// <param name="criterion">The criterion.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="photos">The photos to score on.</param>
    /// <param name="path">The scores file; the state of an interrupted build goes beside it.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public ElasticScores Build(
        string criterion, ulong seed, ImageSet photos, string path, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        if (File.Exists(path))
        {
            return ElasticScores.Load(path);
        }

        BuildOptions options = plan.Build(criterion, seed) with { Precision = precision, Device = device, BatchSize = BatchSize };
        ElasticBuild build = new(model, photos, preprocessing, options, progress);
        BuildResult built = build.Run(path + ".unfinished", cancellation);
        build.Finish(built, path, path + ".unfinished");
        return ElasticScores.Load(path);
    }

    /// <summary>Measures all ways of cutting.</summary>
    /// <param name="key">The hash of the run.</param>
    /// <param name="name">The name of the model.</param>
    /// <param name="criterion">The criterion.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="test">The test images.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public SweepResult Measure(
        string key, string name, string criterion, ulong seed, ElasticScores scores, ImageSet test, IProgress<WorkProgress> progress,
        CancellationToken cancellation)
    {
        List<(SweepLine Line, ElasticViT Of, IReadOnlyList<(string Text, SubnetPlan Plan)> Plans)> ways = [];
        List<ElasticViT> opened = [];
        List<Subnet> subnets = [];
        try
        {
            Plan(ways, opened, scores, seed);
            subnets.Add(opened[0].At(Budget.Whole));
            foreach ((_, ElasticViT of, IReadOnlyList<(string Text, SubnetPlan Plan)> plans) in ways)
            {
                subnets.AddRange(plans.Select(entry => of.At(entry.Plan)));
            }

            using ImageOutcomes outcomes = new(subnets.Count);
            ModelEvaluation evaluation = new(preprocessing, BatchSize, device, progress)
            {
                ClassNames = model.ClassNames, Outcomes = outcomes,
            };
            evaluation.Run([.. subnets.Select(subnet => subnet.Model)], test, null, cancellation);
            if (outcomes.Hits(0).Count == 0)
            {
                throw new SnapViTException(
                    ErrorKind.Images,
                    $"test images: expected labels of the classes of {name}, found {string.Join("; ", evaluation.Notes)}");
            }

            ImageFacts facts = new(outcomes, ImageFacts.ClassNames(model, test));
            int next = 1;
            SweepLine[] lines =
            [
                .. ways.Select(way => way.Line with
                {
                    Rows = [.. way.Plans.Select(entry => Row(entry.Text, subnets[next].Plan, outcomes, facts, next++))],
                }),
            ];
            ViTArchitecture a = model.Model.Architecture;
            return new SweepResult(
                key, name, model.Sha256, model.WeightsSha256, criterion, seed,
                AxisTable.Rows.ToDictionary(row => JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Key), row => row.Count(a)),
                scores.Provenance, Row(null, subnets[0].Plan, outcomes, facts, 0), lines);
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Dispose());
            opened.ForEach(elastic => elastic.Dispose());
        }
    }

    private void Plan(
        List<(SweepLine, ElasticViT, IReadOnlyList<(string, SubnetPlan)>)> ways, List<ElasticViT> opened, ElasticScores scores, ulong seed)
    {
        foreach ((string correction, Correction.CorrectionOptions? how) in plan.ChosenCorrections)
        {
            ElasticViT elastic = Open(scores, how);
            foreach ((string axes, PlanOptions way) in plan.ChosenAxes)
            {
                ways.Add((new SweepLine($"{axes}, {correction}", "", correction, axes, false, []), elastic, Plans(elastic, way)));
            }
        }

        if (plan.Baselines)
        {
            (string correction, Correction.CorrectionOptions? how) = plan.ChosenCorrections.First();
            PlanOptions pools = new() { Allocation = Allocation.Pools };
            foreach ((string name, string meaning, ElasticScores ordered) in
                EvaluationBaselines.Ways(model.Model.Architecture, scores, seed))
            {
                ElasticViT elastic = Open(ordered, how);
                ways.Add((new SweepLine(name, meaning, correction, "heads-neurons", true, []), elastic, Plans(elastic, pools)));
            }
        }

        ElasticViT Open(ElasticScores of, Correction.CorrectionOptions? how)
        {
            ElasticViT elastic = ElasticViT.Open(
                model, of, new ElasticOptions { Correction = how, Precision = precision, Device = device, Preprocessing = preprocessing });
            opened.Add(elastic);
            return elastic;
        }
    }

    /// <summary>The plans of the budgets that a way can meet.</summary>
    private IReadOnlyList<(string Text, SubnetPlan Plan)> Plans(ElasticViT elastic, PlanOptions how)
    {
        List<(string, SubnetPlan)> plans = [];
        foreach ((string text, Budget budget) in plan.ParsedBudgets)
        {
            try
            {
                plans.Add((text, elastic.Plan(budget, how)));
            }
            catch (BudgetException)
            {
                // Fewer axes do not reach every budget.
            }
        }

        return plans;
    }

    private static SweepRow Row(string? budget, SubnetPlan plan, ImageOutcomes outcomes, ImageFacts facts, int index) => new(
        budget, plan.Flops, plan.Parameters, string.Concat(outcomes.Hits(index).Select(hit => hit ? '1' : '0')), plan.Widths,
        [.. facts.Of(index).Farthest.Select(image => JsonSerializer.SerializeToElement(image, Lower))]);

    private static JsonSerializerOptions Lower { get; } = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
}
