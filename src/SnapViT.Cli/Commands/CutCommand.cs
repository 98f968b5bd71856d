using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit cut</c>: a pruned model of its own, for one budget.</summary>
internal static class CutCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Argument<string> Scores = new("SCORES")
    {
        Description = "The scores file of this model, from 'snapvit build' or of the reference (.pt).",
    };
    private static readonly BudgetOptions Budgets = new();
    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: true);
    private static readonly CutTargets Targets = new();
    private static readonly Option<int?> Heal = new("--heal")
    {
        Description = "Trains the corrected sub-network on the photos of --images for so many epochs, by what the whole model says of "
            + "them. Takes minutes; its files say so.",
    };

    public static Command Create()
    {
        Verb command = new("cut", "Cuts one sub-network and writes it as a model of its own.", """
            One budget is needed, in the unit you have, and one file to write, or several in different formats. Every verb reads the
            model of --out again. Latencies are measured on this machine once and kept; 'snapvit plan' shows a plan without cutting.

              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --flops 0.6 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --ratios 0.45:0.3 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --params 4M --onnx small.onnx --fp16 --pt small.pt
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --latency 8ms --align 32 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --size 12MB --allocation joint --out small.safetensors
            """);
        Model.AddTo(command);
        command.Arguments.Add(Scores);
        Budgets.AddTo(command);
        Planning.AddTo(command);
        Correction.AddTo(command);
        Targets.AddTo(command);
        command.Options.Add(Heal);
        command.Options.Add(GlobalOptions.Force);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        (string text, Budget budget) = Budgets.Read(parsed);
        Planning.Require(parsed);
        HealingOptions? healing = Healing(parsed, budget);
        Targets.Require(parsed, Correction.IsSequential(parsed) || healing is not null);
        Correction.Require(parsed, Targets.Photos(parsed));
        PhotoFolders folders = new(parsed);
        ImageSet? photos = Targets.Photos(parsed) is string folder ? folders.Open(folder) : null;
        ElasticScores scores = ElasticScores.Load(parsed.GetRequiredValue(Scores));
        using LoadedModel model = Model.Load(parsed, cancellation);
        Targets.RequireFormats(parsed, model.Model.Architecture);
        using ElasticViT elastic = ElasticViT.Open(
            model, scores, new ElasticOptions { Correction = Correction.Read(parsed), Preprocessing = Model.Chosen(parsed, model) });
        bool sequential = Correction.IsSequential(parsed);
        PlanSubject subject = new(model, elastic, sequential, device, precision) { Bytes = Targets.Bytes(parsed, sequential) };
        PlanOptions how = Planning.Read(parsed, subject, [budget], cancellation);
        using Subnet subnet = Cut(parsed, elastic, elastic.Plan(budget, how), photos, healing, cancellation);
        ModelAgreement? agreement = Targets.Compare(parsed, subnet, photos, cancellation);
        IReadOnlyList<string> files = Targets.Write(parsed, subnet);
        MeasuredLatency? latency = budget.Unit == CostUnit.Nanoseconds
            ? MeasuredLatency.Of(subnet.Plan, how.Latency!, Planning.Tables(parsed, subject).Compare(subnet.Model, model, cancellation))
            : null;
        string? note = budget.Unit == CostUnit.FileBytes ? Targets.SizeNote(parsed) : null;
        return CutReport.Of(files, text, subnet.Plan, subnet.Correction, agreement, latency, folders.LeftOut) with
        {
            Doubts = note is null ? elastic.Doubts : [.. elastic.Doubts, note],
        };
    }

    private static HealingOptions? Healing(ParseResult parsed, Budget budget)
    {
        if (parsed.GetValue(Heal) is not int epochs)
        {
            return null;
        }

        string? fault = epochs < 1 ? $"expected at least 1 epoch, found {epochs}"
            : Targets.Photos(parsed) is null ? "expected --images DIR with it, the photos that are trained on; found none"
            : budget.Unit == CostUnit.FileBytes ? "expected a budget that is not in bytes, for its file says more; found --size"
            : null;
        return fault is null
            ? new HealingOptions { Epochs = epochs, Seed = parsed.GetValue(GlobalOptions.Seed) }
            : throw new SnapViTException(ErrorKind.Option, $"{Heal.Name}: {fault}");
    }

    private static Subnet Cut(
        ParseResult parsed, ElasticViT elastic, SubnetPlan plan, ImageSet? photos, HealingOptions? healing, CancellationToken cancellation)
    {
        Subnet start = Correction.IsSequential(parsed)
            ? ProgressDisplay.Run(parsed, progress =>
                elastic.CutSequentially(plan, photos!, parsed.GetValue(GlobalOptions.Seed), progress, cancellation))
            : elastic.Cut(plan);
        if (healing is null)
        {
            return start;
        }

        using (start)
        {
            return ProgressDisplay.Run(parsed, progress => elastic.Heal(start, photos!, healing, progress, cancellation));
        }
    }
}
