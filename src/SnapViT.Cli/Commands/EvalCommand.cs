using System.CommandLine;
using SnapViT.Cli.Experiments;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Evaluation;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit eval</c>: what sub-networks cost and are worth, a row per budget.</summary>
internal static class EvalCommand
{
    /// <summary>What a sub-network keeps of the accuracy at least to be the one that is cut next.</summary>
    private const double MostOfAccuracy = 0.95;

    private const string LinearProbeName = "linear", ReferenceProbeName = "reference";

    private static readonly ModelOptions Model = new();
    private static readonly Option<string?> Scores = new("--scores")
    {
        Description = "The scores file of this model; without it only the model itself is measured.",
    };
    private static readonly Option<string?> Budgets = new("--budgets")
    {
        Description = BudgetList.Says + " Default: 0.9 to 0.4 of the FLOPs where the scores hold a frontier, else the six pairs "
            + "of the paper. The unpruned model is measured beside them.",
    };
    private static readonly Option<string?> Train = new("--train")
    {
        Description = "Labelled training images for k-NN (k = 20): a folder with one sub-folder per class, an archive or a data set as it "
            + "is published, or a flat folder with --labels. Classes are matched by name.",
    };
    private static readonly Option<string> Test = new("--test")
    {
        Description = "Labelled test images, as for --train; of a data set its test split, or another one after a '#'.",
        Required = true,
    };
    private static readonly Option<string?> Labels = new("--labels")
    {
        Description = "What tells the classes of --test and --train: lines 'identifier names', the line number (from 0) being the class, "
            + "in which folder names and the part of a file name before '_' are looked up; or lines 'photo.jpg class'; or a class number "
            + "a line, for the photos in order.",
    };
    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: true);
    private static readonly Option<string?> Images = new("--images")
    {
        Description = "Photos for --correction sequential, at most 256 of them; labels are not used.",
    };
    private static readonly Option<int?> Samples = new("--samples")
    {
        Description = "Test images measured at most, a seeded sample. Default: all of them.",
    };

    private static readonly Option<string?> Out = new("--out") { Description = "Also write the result as JSON, for 'snapvit report'." };
    private static readonly Option<bool> Baselines = new("--baselines")
    {
        Description = "Also measure what the method has to beat, at the same budgets and re-fitted in the same way: random order, "
            + "block-normalised scores, and scores without search.",
    };
    private static readonly Option<string?> Probe = ProbeOption();
    private static readonly Option<bool> PerClass = new("--per-class")
    {
        Description = "Prints the accuracy on every class as well; --json always has it.",
    };

    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 32 };

    public static Command Create()
    {
        Verb command = new("eval", "Measures a model or its sub-networks on labelled images, a row per budget.", """
            Top-1 with the model's own classifier where the classes are its own, k-NN with --train; parameters, FLOPs, images per second.

              snapvit eval deit_tiny.safetensors --scores deit_tiny.scores.safetensors --test photos --labels synsets.txt
              snapvit eval small.safetensors --train cifar10/train --test cifar10/test --probe linear
              snapvit eval deit_tiny.safetensors --scores deit_tiny.scores.safetensors --test photos --baselines --out eval.json
            """);
        Model.AddTo(command);
        Option[] own = [Scores, Budgets, Train, Test, Samples, Labels, Probe, PerClass, Batch, Images, Baselines, Out, GlobalOptions.Force];
        foreach (Option option in own)
        {
            command.Options.Add(option);
        }

        Planning.AddTo(command);
        Correction.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Option<string?> ProbeOption()
    {
        Option<string?> option = new("--probe")
        {
            Description = "Trains a linear classifier on the features of --train and measures it. linear: shuffled, features standardised, "
                + "the learning rate chosen on a fifth of --train; reference: the settings of the paper's code.",
        };
        option.AcceptOnlyFromAmong(LinearProbeName, ReferenceProbeName);
        return option;
    }

    private static LinearProbeOptions? ProbeOf(ParseResult parsed) => parsed.GetValue(Probe) switch
    {
        null => null,
        ReferenceProbeName => LinearProbeOptions.Reference,
        _ => LinearProbeOptions.Recommended,
    };

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        LabelFile? labels = parsed.GetValue(Labels) is string path ? LabelFile.Read(path) : null;
        PhotoFolders folders = new(parsed);
        ImageSet test = folders.Open(parsed.GetRequiredValue(Test), SplitUse.Test, labels, needsLabels: true);
        ImageSet? train = parsed.GetValue(Train) is string folder
            ? folders.Open(folder, SplitUse.Train, labels, needsLabels: true)
            : null;
        test = SampleOf(test, parsed);
        ElasticScores? scores = parsed.GetValue(Scores) is string file ? ElasticScores.Load(file) : null;
        RequireWithScores(parsed, scores);
        Correction.Require(parsed, parsed.GetValue(Images));
        RequireForPhotos(parsed, scores);
        ImageSet? photos = parsed.GetValue(Images) is string fitted ? folders.Open(fitted) : null;
        RequireComparable(parsed, test, train);
        int? scored = scores is null ? null : ScoredImages.CountIn(scores, test);
        (string Text, Budget Budget)[] budgets = BudgetsOf(parsed.GetValue(Budgets), scores);
        Planning.Require(parsed);
        if (parsed.GetValue(Out) is string result)
        {
            OutputPath.RequireWritable(result);
        }

        using LoadedModel model = Model.Load(parsed, cancellation);
        Preprocessing preprocessing = Model.Preprocess(parsed, model);
        ModelEvaluation? evaluation = null;
        ElasticOptions opened = new()
        {
            Correction = Correction.Read(parsed),
            Precision = precision,
            Device = device,
            Preprocessing = Model.Chosen(parsed, model),
        };
        using ElasticViT? elastic = scores is null ? null : ElasticViT.Open(model, scores, opened);
        PlanOptions? how = elastic is null
            ? null
            : Planning.Read(
                parsed,
                new PlanSubject(model, elastic, Correction.IsSequential(parsed), device, precision),
                [.. budgets.Select(entry => entry.Budget)],
                cancellation);
        SubnetPlan[] plans = elastic is null
            ? []
            : [elastic.Plan(Budget.Whole), .. budgets.Select(entry => elastic.Plan(entry.Budget, how))];
        using EvaluationBaselines baselines = parsed.GetValue(Baselines) && elastic is not null
            ? EvaluationBaselines.Open(model, scores!, opened, budgets, how!, parsed.GetValue(GlobalOptions.Seed))
            : new EvaluationBaselines([]);
        (ElasticViT? Of, SubnetPlan Plan)[] all = [.. plans.Select(plan => (elastic, plan)), .. baselines.Plans];
        using ImageOutcomes outcomes = new(Math.Max(1, all.Length));
        IReadOnlyList<EvaluationRow> rows = ProgressDisplay.Run(parsed, progress =>
        {
            JobProgress job = new(progress, TimeProvider.System);
            IProgress<WorkProgress>[] cuts = [.. all.Select(entry => job.Part(CutCost(entry.Plan, photos)))];
            evaluation = new ModelEvaluation(
                preprocessing, parsed.GetValue(Batch), device,
                job.Part(EvaluationCost([.. all.Select(entry => entry.Plan)], model, test, train)))
            {
                ClassNames = model.ClassNames,
                Outcomes = outcomes,
                Seed = parsed.GetValue(GlobalOptions.Seed),
                Probe = ProbeOf(parsed),
            };
            if (elastic is null)
            {
                using VisionTransformer cast = new(model.Model.Weights.To(precision, device));
                return evaluation.Run([cast], test, train, cancellation);
            }

            IEnumerable<Subnet> cut = all.Zip(cuts, (entry, told) => photos is null
                ? entry.Of!.At(entry.Plan)
                : entry.Of!.CutSequentially(entry.Plan, photos, parsed.GetValue(GlobalOptions.Seed), told, cancellation));
            return Measure(evaluation, cut, test, train, cancellation);
        });
        ImageFacts facts = new(outcomes, ImageFacts.ClassNames(model, test));
        MeasuredRow[] measured =
        [
            .. rows.Select((row, index) => new MeasuredRow(
                index == 0 ? null : index <= budgets.Length ? budgets[index - 1].Text : baselines.TextOf(index - plans.Length),
                all.Length == 0 || how is null ? null : PlanReport.LatencyMs(all[index].Plan, how),
                row)
            {
                Widths = all.Length == 0 ? model.Model.Widths : all[index].Plan.Widths,
                Distance = all.Length == 0 ? null : all[index].Plan.Distance,
                Facts = facts.Of(index),
            }),
        ];
        MeasuredRow? unpruned = elastic is null ? null : measured[0];
        MeasuredRow[] own = [.. measured.Take(Math.Max(1, plans.Length))];
        string testPath = parsed.GetRequiredValue(Test);
        Report report = EvaluationReport.Of(
            RunRecord.Of(parsed, model, scores is null ? null : (parsed.GetValue(Scores)!, scores), (testPath, test)),
            preprocessing, precision, parsed.GetValue(Batch), unpruned, [.. own.Skip(elastic is null ? 0 : 1)],
            baselines.Lines(measured[own.Length..]), evaluation!, scored, folders.LeftOut, parsed.GetValue(PerClass)) with
        {
            Doubts = [.. elastic?.Doubts ?? Model.Doubts(parsed, model), .. Warning(scored, test.Count)],
            Next = Next(parsed, own, model),
        };
        if (parsed.GetValue(Out) is string written)
        {
            report.SaveJson(written);
        }

        return report;
    }

    private static IEnumerable<string> Warning(int? scored, int of) => ScoredImages.Warning(scored, of) is string said ? [said] : [];

    /// <summary>The cut to the smallest sub-network that keeps most of the accuracy; without scores what makes them.</summary>
    private static string? Next(ParseResult parsed, MeasuredRow[] measured, LoadedModel model)
    {
        if (parsed.GetValue(Out) is string result)
        {
            string[] made = parsed.GetValue(Scores) is string used ? [used, result] : [result];
            return NextCommand.Of(["report", .. made, "--out", "report.html"]);
        }

        string path = parsed.GetRequiredValue(Model.Argument);
        if (parsed.GetValue(Scores) is not string scores)
        {
            return model.IsPruned ? null : NextCommand.Of("build", path, "--images", "PHOTOS", "--out", "scores.safetensors");
        }

        double? least = MostOfAccuracy * Accuracy(measured[0]);
        MeasuredRow chosen = measured.Skip(1).Where(row => Accuracy(row) >= least).MinBy(row => row.Figures.Flops) ?? measured[1];
        return NextCommand.Of(["cut", path, scores, .. BudgetList.AsOption(chosen.Budget!), "--out", "small.safetensors"]);

        static double? Accuracy(MeasuredRow row) => (row.Figures.Top1 ?? row.Figures.Knn)?.Share;
    }

    private static IReadOnlyList<EvaluationRow> Measure(
        ModelEvaluation evaluation, IEnumerable<Subnet> cut, ImageSet test, ImageSet? train, CancellationToken cancellation)
    {
        List<Subnet> subnets = [];
        try
        {
            foreach (Subnet subnet in cut)
            {
                subnets.Add(subnet);
            }

            return evaluation.Run([.. subnets.Select(subnet => subnet.Model)], test, train, cancellation);
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Dispose());
        }
    }

    /// <summary>About what a cut costs beside the evaluation, in FLOPs; one that looks at no photo next to nothing.</summary>
    private static double CutCost(SubnetPlan plan, ImageSet? photos)
    {
        // Each photo goes through the whole model and the sub-network, and once more through either while layers are fitted.
        double whole = CostModel.Flops(plan.Architecture, plan.Architecture.FullWidths);
        return photos is null ? 0 : 2 * Math.Min(photos.Count, ElasticViT.MostPhotos) * (whole + plan.Flops);
    }

    private static double EvaluationCost(SubnetPlan[] plans, LoadedModel model, ImageSet test, ImageSet? train)
    {
        ViTArchitecture architecture = model.Model.Architecture;
        double each = plans.Length == 0 ? CostModel.Flops(architecture, architecture.FullWidths) : plans.Sum(plan => (double)plan.Flops);
        return each * (test.Count + (train?.Count ?? 0));
    }

    private static ImageSet SampleOf(ImageSet images, ParseResult parsed) => parsed.GetValue(Samples) switch
    {
        null => images,
        >= 1 and int count => images.Sample(count, parsed.GetValue(GlobalOptions.Seed)),
        int count => throw new SnapViTException(ErrorKind.Option, $"--samples: expected at least 1, found {count}"),
    };

    /// <summary>Options of sub-networks say nothing of the model itself.</summary>
    private static void RequireWithScores(ParseResult parsed, ElasticScores? scores)
    {
        Option? given = scores is null
            ? Planning.Options.Concat(Correction.Options).Append(Baselines)
                .FirstOrDefault(option => GlobalOptions.IsGiven(parsed, option))
            : null;
        if (given is not null)
        {
            throw new SnapViTException(ErrorKind.Option, $"{given.Name}: expected --scores FILE with it, found none");
        }
    }

    /// <summary>What the evaluation itself would say after sub-networks were cut.</summary>
    private static void RequireComparable(ParseResult parsed, ImageSet test, ImageSet? train)
    {
        if (parsed.GetValue(Batch) is < 1 and int batch)
        {
            throw new SnapViTException(ErrorKind.Option, $"--batch: expected at least 1, found {batch}");
        }

        if (train is null && parsed.GetValue(Probe) is not null)
        {
            throw new SnapViTException(ErrorKind.Option, "--probe: expected --train DIR with it, the images it is trained on; found none");
        }

        _ = train is null ? null : CommonClasses.Of(test, train);
    }

    private static void RequireForPhotos(ParseResult parsed, ElasticScores? scores)
    {
        if (parsed.GetValue(Images) is not null && (scores is null || !Correction.IsSequential(parsed)))
        {
            throw new SnapViTException(
                ErrorKind.Option, "--images: expected --scores FILE and --correction sequential with it, found others");
        }
    }

    private static (string Text, Budget Budget)[] BudgetsOf(string? text, ElasticScores? scores)
    {
        if (text is not null && scores is null)
        {
            throw new BudgetException("--budgets: expected --scores FILE with it; without scores only the model itself can be measured");
        }

        return text is not null ? BudgetList.Read(text)
            : scores is { Frontiers.Count: > 0 } ? BudgetList.Read("0.9,0.8,0.7,0.6,0.5,0.4")
            : [.. PruningRatios.Paper.Select(ratios => (ratios.ToString(), Budget.Ratios(ratios)))];
    }
}
