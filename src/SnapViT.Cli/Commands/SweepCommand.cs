using System.CommandLine;
using SnapViT.Cli.Experiments;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Loading;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit sweep</c>: models times criteria times corrections times axes times seeds times budgets.</summary>
internal static class SweepCommand
{
    private const string Runs = "runs", Table = "table", Lock = "sweep.lock";

    private static readonly Argument<string> PlanFile = new("PLAN")
    {
        Description = "JSON: models, images, test, budgets, and what to combine: criteria, corrections, axes, seeds (docs/report.md).",
    };
    private static readonly Option<string?> Out = new("--out")
    {
        Description = "The folder for runs, table and report; a sweep that was stopped goes on there. Default: the plan's name without "
            + "its ending.",
    };

    public static Command Create()
    {
        Verb command = new("sweep", "Measures every combination of a plan, and makes one table and one report.", """
            A run is one model, criterion and seed: it is built, and all corrections, axes, budgets and baselines are measured in one pass.
            Stop a sweep as you like: the same command goes on, and repeats no run that was finished.

              snapvit sweep plan.json
              snapvit sweep plan.json --out results
            """);
        command.Arguments.Add(PlanFile);
        command.Options.Add(Out);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string file = parsed.GetRequiredValue(PlanFile);
        SweepPlan plan = SweepPlan.Read(file);
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string folder = parsed.GetValue(Out) is { Length: > 0 } named ? named : Path.ChangeExtension(file, null);
        Directory.CreateDirectory(Path.Combine(folder, Runs));
        using FileStream held = Hold(Path.Combine(folder, Lock));
        Clean(folder);
        PhotoFolders folders = new(parsed);
        string photosPath = SweepPlan.Resolve(file, plan.Images), testPath = SweepPlan.Resolve(file, plan.Test);
        LabelFile? labels = plan.Labels is string list ? LabelFile.Read(SweepPlan.Resolve(file, list)) : null;
        ImageSet photos = folders.Open(photosPath),
            test = HeldOut(plan, photos, folders.Open(testPath, SplitUse.Test, labels, needsLabels: true));
        string arithmetic = $"{parsed.GetValue(GlobalOptions.Precision)} {precision} {device.type}";
        List<SweepResult> results = [];
        int measured = 0;
        foreach (SweepModel entry in plan.Models)
        {
            using LoadedModel model = ModelFile.Load(HubModel.Local(parsed, SweepPlan.Resolve(file, entry.Path), cancellation));
            Preprocessing preprocessing = entry.Preprocess is string name
                ? Preprocessing.Named(name, model.Model.Architecture.ImageSize)
                : model.PreprocessingOrReference;
            SweepRun run = new(plan, model, preprocessing, precision, device);
            foreach (string criterion in plan.Criteria)
            {
                foreach (ulong seed in plan.Seeds)
                {
                    string id = $"{entry.Name}.{criterion}.{seed}", path = Path.Combine(folder, Runs, id);
                    string key = plan.Key(
                        $"{model.Sha256} {preprocessing.Describe()} {photos.Sample(plan.Photos, seed).Hash()}",
                        criterion, seed, test.Hash(), arithmetic);
                    SweepResult? result = SweepResult.Find($"{path}.json", key);
                    if (result is null)
                    {
                        parsed.InvocationConfiguration.Error.WriteLine($"snapvit: {id}: run {results.Count + 1} of {Count(plan)}");
                        result = ProgressDisplay.Run(parsed, progress =>
                        {
                            ElasticScores scores = run.Build(criterion, seed, photos, $"{path}.{key}.scores", progress, cancellation);
                            return run.Measure(key, entry.Name, criterion, seed, scores, test, progress, cancellation);
                        });
                        result.Save($"{path}.json");
                        File.Delete($"{path}.{key}.scores");
                        measured++;
                    }

                    results.Add(result);
                }
            }
        }

        return Write(parsed, plan, folder, new SweepTable(results), (photosPath, testPath), measured);
    }

    private static int Count(SweepPlan plan) => plan.Models.Count * plan.Criteria.Count * plan.Seeds.Count;

    private static Report Write(
        ParseResult parsed, SweepPlan plan, string folder, SweepTable table, (string Photos, string Test) paths, int measured)
    {
        RunRecord record = new(parsed);
        string command = $"snapvit sweep {Path.GetFileName(parsed.GetRequiredValue(PlanFile))}", page = Path.Combine(folder, "report.html");
        Report report = new(table.ToJson(record with { Options = plan.Describe() }, plan.Test, plan.Images), _ => { });
        report.SaveJson(Path.Combine(folder, $"{Table}.json"));
        Save(Path.Combine(folder, $"{Table}.md"), table.ToMarkdown(command));
        Save(Path.Combine(folder, $"{Table}.csv"), table.ToCsv());
        RunReader reader = new();
        reader.Read($"{Table}.json", report.ToElement());
        ReportData data = reader.Data;
        ReportImages images = new(paths.Photos, paths.Test);
        foreach (ReportModel model in data.Models)
        {
            images.AddTo(model);
        }

        IReadOnlyList<string> written = ReportFiles.Write(data, page, figures: null);
        return new Report(
            new { Folder = folder, Runs = Count(plan), Measured = measured, Rows = table.Rows.Count, Page = page },
            console =>
            {
                console.WriteLine($"{Count(plan)} runs, {measured} of them now; "
                    + $"{table.Rows.Count} rows in {Path.Combine(folder, $"{Table}.md")}");
                foreach (string path in written)
                {
                    console.WriteLine($"wrote {path}");
                }
            });
    }

    private static void Save(string path, string text) =>
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Two sweeps in one folder would measure the same runs twice. The system lets go of the file when a process ends, whatever ends it.
    /// </summary>
    private static FileStream Hold(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException exception)
        {
            throw new SnapViTException(ErrorKind.File, $"{path}: expected no other sweep in this folder, found one at work", exception);
        }
    }

    /// <summary>Removes what a killed sweep was about to write; nobody else writes here.</summary>
    private static void Clean(string folder)
    {
        foreach (string partial in Directory.EnumerateFiles(folder, "*.partial", SearchOption.AllDirectories))
        {
            File.Delete(partial);
        }
    }

    /// <summary>Test images that no run is scored on, the same for all runs.</summary>
    private static ImageSet HeldOut(SweepPlan plan, ImageSet photos, ImageSet test)
    {
        HashSet<string> used = [.. plan.Seeds.SelectMany(seed => photos.Sample(plan.Photos, seed).Entries).Select(entry => entry.Location)];
        ImageSet others = test.Where(entry => !used.Contains(entry.Location));
        return plan.TestImages is int count ? others.Sample(count, 1) : others;
    }
}
