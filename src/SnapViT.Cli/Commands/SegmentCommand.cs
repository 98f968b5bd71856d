using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Evaluation;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Workflows;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit segment</c>: what patch tokens of sub-networks say of where things are, a row per budget.</summary>
internal static class SegmentCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Option<string> Voc = new("--voc")
    {
        Description = "A folder as PASCAL VOC has it: JPEGImages, SegmentationClass, ImageSets/Segmentation with train.txt and val.txt.",
        Required = true,
    };
    private static readonly Option<string> TrainSplit = new("--train-split")
    {
        Description = "The list of images that the layer is trained on.",
        DefaultValueFactory = _ => "train",
    };
    private static readonly Option<string> TestSplit = new("--test-split")
    {
        Description = "The list of images that it is measured on.",
        DefaultValueFactory = _ => "val",
    };
    private static readonly Option<string?> Scores = new("--scores")
    {
        Description = "The scores file of this model; without it only the model itself is measured.",
    };
    private static readonly Option<string> Budgets = new("--budgets")
    {
        Description = BudgetList.Says,
        DefaultValueFactory = _ => "0.8,0.6,0.4",
    };
    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: false);
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 32 };

    public static Command Create()
    {
        Verb command = new("segment", "Measures a model or its sub-networks on the classes of pixels, a row per budget.", """
            A linear layer is trained on frozen patch tokens, and measured by the mean intersection over union (mIoU).

              snapvit segment vit.safetensors --scores scores.safetensors --voc VOCdevkit/VOC2012 --budgets 0.8,0.6
            """);
        Model.AddTo(command);
        foreach (Option option in new Option[] { Voc, TrainSplit, TestSplit, Scores, Budgets, Batch })
        {
            command.Options.Add(option);
        }

        Planning.AddTo(command);
        Correction.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        if (parsed.GetValue(Batch) is < 1 and int batch)
        {
            throw new SnapViTException(ErrorKind.Option, $"--batch: expected at least 1, found {batch}");
        }

        string folder = ImageLocation.Parse(parsed.GetRequiredValue(Voc)).Path;
        VocSegmentation train = VocSegmentation.Open(folder, parsed.GetRequiredValue(TrainSplit));
        VocSegmentation test = VocSegmentation.Open(folder, parsed.GetRequiredValue(TestSplit));
        ElasticScores? scores = parsed.GetValue(Scores) is string file ? ElasticScores.Load(file) : null;
        RequireWithScores(parsed, scores);
        Planning.Require(parsed);
        Correction.Require(parsed);
        (string Text, Budget Budget)[] budgets = scores is null ? [] : BudgetList.Read(parsed.GetRequiredValue(Budgets));
        using LoadedModel model = Model.Load(parsed, cancellation);
        Preprocessing preprocessing = Model.Preprocess(parsed, model);
        SegmentationEvaluation? evaluation = null;
        using ElasticViT? elastic = scores is null ? null : ElasticViT.Open(model, scores, new ElasticOptions
        {
            Correction = Correction.Read(parsed), Precision = precision, Device = device, Preprocessing = Model.Chosen(parsed, model),
        });
        PlanOptions? how = elastic is null ? null : Planning.Read(
            parsed, new PlanSubject(model, elastic, Sequential: false, device, precision),
            [.. budgets.Select(entry => entry.Budget)], cancellation);
        List<Subnet> subnets = [];
        using VisionTransformer? whole = elastic is null ? new VisionTransformer(model.Model.Weights.To(precision, device)) : null;
        try
        {
            if (elastic is not null)
            {
                subnets.Add(elastic.At(Budget.Whole));
                subnets.AddRange(budgets.Select(entry => elastic.At(elastic.Plan(entry.Budget, how))));
            }

            VisionTransformer[] models = whole is null ? [.. subnets.Select(subnet => subnet.Model)] : [whole];
            IReadOnlyList<EvaluationRow> found = ProgressDisplay.Run(parsed, progress =>
            {
                evaluation = new SegmentationEvaluation(preprocessing, parsed.GetValue(Batch), device, progress)
                {
                    Seed = parsed.GetValue(GlobalOptions.Seed),
                };
                return evaluation.Run(models, train, test, cancellation);
            });
            SegmentationRow[] rows =
                [.. found.Select((row, index) => SegmentationRow.Of(index == 0 ? null : budgets[index - 1].Text, row))];
            return ReportOf(rows, evaluation!, train, test) with { Doubts = elastic?.Doubts ?? Model.Doubts(parsed, model) };
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Dispose());
        }
    }

    private static Report ReportOf(
        SegmentationRow[] rows, SegmentationEvaluation evaluation, VocSegmentation train, VocSegmentation test) => new(
        new
        {
            evaluation.Classes,
            TrainImages = train.Set.Count,
            TestImages = test.Set.Count,
            Unpruned = rows[0],
            Rows = rows.Skip(1),
            evaluation.Skipped,
        },
        console =>
        {
            Table table = Report.Table("budget", "parameters", "FLOPs", "mIoU", "lost", "right pixels");
            foreach (SegmentationRow row in rows)
            {
                table.AddRow(
                    (row.Budget ?? "whole model").EscapeMarkup(), Figures.Count(row.Parameters), Figures.Count(row.Flops),
                    $"{Figures.Percent(row.Miou)} {Range(row.MiouInterval)}".EscapeMarkup(),
                    row.MiouLoss is double loss
                        ? (Figures.Invariant($"{100 * loss:0.0} ") + Range(row.MiouLossInterval!)).EscapeMarkup()
                        : "-",
                    Figures.Percent(row.PixelAccuracy));
            }

            console.Write(table);
            console.WriteLine(Figures.Invariant($"trained on {train.Set.Count} images, measured on {test.Set.Count}, ")
                + Figures.Invariant($"{evaluation.Classes} classes; in brackets: intervals of {Bootstrap.Confidence:0 %} over images"));
            foreach (SkippedImage skipped in evaluation.Skipped)
            {
                console.WriteLine($"skipped {skipped.Name}: {skipped.Reason}");
            }
        });

    private static string Range(double[] ends) => Figures.Invariant($"[{100 * ends[0]:0.0}, {100 * ends[1]:0.0}]");

    /// <summary>Options of sub-networks say nothing of the model itself.</summary>
    private static void RequireWithScores(ParseResult parsed, ElasticScores? scores)
    {
        Option? given = scores is null
            ? Planning.Options.Concat(Correction.Options).Append(Budgets).FirstOrDefault(option => GlobalOptions.IsGiven(parsed, option))
            : null;
        if (given is not null)
        {
            throw new SnapViTException(ErrorKind.Option, $"{given.Name}: expected --scores FILE with it, found none");
        }
    }

    /// <summary>A row of the result, as it stands in JSON.</summary>
    private sealed record SegmentationRow(
        string? Budget, long Parameters, long Flops, double Miou, double[] MiouInterval, double? MiouLoss, double[]? MiouLossInterval,
        double PixelAccuracy, double LearningRate, IReadOnlyList<double?> IouPerClass)
    {
        public static SegmentationRow Of(string? budget, EvaluationRow row)
        {
            Accuracy miou = row.MeanIou!;
            return new SegmentationRow(
                budget, row.Parameters, row.Flops, miou.Share, [miou.Interval.Low, miou.Interval.High], miou.Loss,
                miou.LossInterval is (double low, double high) ? [low, high] : null, row.PixelAccuracy!.Value, row.ProbeLearningRate!.Value,
                miou.PerClass);
        }
    }
}
