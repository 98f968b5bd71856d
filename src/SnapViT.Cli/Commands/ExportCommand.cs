using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Export;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit export</c>: one model at many sizes, in the bytes of one.</summary>
internal static class ExportCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Argument<string> Scores = new("SCORES")
    {
        Description = "The scores file of this model, from 'snapvit build' or of the reference (.pt).",
    };
    private static readonly Option<string> Folder = new("--onnx-family")
    {
        Description = "The folder to write, new or empty: weights.data, a graph per budget, family.json.",
        Required = true,
    };
    private static readonly Option<string> Budgets = new("--budgets") { Description = BudgetList.Says, Required = true };
    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: false);
    private static readonly OnnxOptionSet OnnxOptions = new();

    public static Command Create()
    {
        Verb command = new("export", "Writes one model at many sizes as ONNX, in little more than the bytes of one.", """
            The weights are written once, in importance order, and a small graph per budget points at prefixes of them. Layers that
            are corrected for their budget (--correction) are no prefixes and stand beside their graph; the table says what they
            take.

              snapvit export deit_tiny.safetensors deit_tiny.scores.safetensors --onnx-family deit_tiny --budgets 0.3,0.4,0.6,0.8,1.0
            """);
        Model.AddTo(command);
        command.Arguments.Add(Scores);
        command.Options.Add(Folder);
        command.Options.Add(Budgets);
        Planning.AddTo(command);
        Correction.AddTo(command);
        OnnxOptions.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string folder = parsed.GetRequiredValue(Folder);
        AtomicFolder.RequireFree(folder);
        (string Text, Budget Budget)[] budgets = BudgetList.Read(parsed.GetRequiredValue(Budgets));
        RequireNames(budgets);
        Planning.Require(parsed);
        Correction.Require(parsed);
        OnnxOptions options = OnnxOptions.Read(parsed);
        ElasticScores scores = ElasticScores.Load(parsed.GetRequiredValue(Scores));
        using LoadedModel model = Model.Load(parsed, cancellation);
        OnnxOptions.Require(parsed, model.Model.Architecture);
        using ElasticViT elastic = ElasticViT.Open(
            model, scores, new ElasticOptions { Correction = Correction.Read(parsed), Preprocessing = Model.Chosen(parsed, model) });
        PlanSubject subject = new(model, elastic, Sequential: false, device, precision);
        PlanOptions how = Planning.Read(parsed, subject, [.. budgets.Select(budget => budget.Budget)], cancellation);
        (string Name, SubnetPlan Plan)[] plans = [.. budgets.Select(budget => (NameOf(budget.Text), elastic.Plan(budget.Budget, how)))];
        OnnxFamilyFiles files = elastic.SaveOnnxFamily(folder, Cut(elastic, plans), options);
        return FamilyReport.Of(folder, files) with { Doubts = elastic.Doubts, Next = NextCommand.Of("inspect", folder) };
    }

    private static void RequireNames(IReadOnlyList<(string Text, Budget Budget)> budgets)
    {
        if (budgets.GroupBy(budget => NameOf(budget.Text)).FirstOrDefault(named => named.Count() > 1) is { } twice)
        {
            throw new SnapViTException(ErrorKind.Option, $"--budgets: expected a graph of its own for each, found {twice.Key}.onnx twice");
        }
    }

    /// <summary>One sub-network at a time, disposed before the next.</summary>
    private static IEnumerable<(string Name, Subnet Subnet)> Cut(ElasticViT elastic, IEnumerable<(string Name, SubnetPlan Plan)> plans)
    {
        foreach ((string name, SubnetPlan plan) in plans)
        {
            using Subnet subnet = elastic.At(plan);
            yield return (name, subnet);
        }
    }

    /// <summary>A file's name: <c>flops-0.6</c>, <c>flops-4.3G</c>, <c>removed-0.45-0.3</c>, <c>latency-12ms</c>.</summary>
    private static string NameOf(string budget)
    {
        string[] named = budget.Split('=', 2, StringSplitOptions.TrimEntries);
        string kind = named.Length == 2 && !named[0].Equals("ratios", StringComparison.OrdinalIgnoreCase) ? named[0].ToLowerInvariant()
            : budget.Contains(':', StringComparison.Ordinal) ? "removed" : "flops";
        return $"{kind}-{named[^1].Replace(':', '-')}";
    }
}
