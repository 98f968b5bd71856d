using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit plan</c>: what a budget would leave, without cutting.</summary>
internal static class PlanCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Argument<string> Scores = new("SCORES")
    {
        Description = "The scores file of this model, from 'snapvit build' or of the reference (.pt).",
    };
    private static readonly BudgetOptions Budgets = new();
    private static readonly Option<string?> List = new("--budgets")
    {
        Description = BudgetList.Says + " In place of an option for one budget: a row for each.",
    };

    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: true);

    public static Command Create()
    {
        Verb command = new("plan", "Shows what a budget would leave of every block and what that costs, without cutting.", """
            One budget is needed, in the unit you have, or several by --budgets; 'snapvit cut' with the same options cuts what is
            shown here.

              snapvit plan deit_tiny.safetensors deit_tiny.scores.safetensors --flops 0.6 --align 32
              snapvit plan deit_tiny.safetensors deit_tiny.scores.safetensors --latency 8ms --latency-batch 4 --allocation joint
              snapvit plan deit_tiny.safetensors deit_tiny.scores.safetensors --budgets 0.8,0.6,params=3M
            """);
        Model.AddTo(command);
        command.Arguments.Add(Scores);
        Budgets.AddTo(command);
        command.Options.Add(List);
        Planning.AddTo(command);
        Correction.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        IReadOnlyList<(string Text, Budget Budget)> budgets = Budgets.Read(parsed, parsed.GetValue(List));
        Planning.Require(parsed);
        Correction.Require(parsed);
        ElasticScores scores = ElasticScores.Load(parsed.GetRequiredValue(Scores));
        using LoadedModel model = Model.Load(parsed, cancellation);
        using ElasticViT elastic = ElasticViT.Open(
            model, scores, new ElasticOptions { Correction = Correction.Read(parsed), Preprocessing = Model.Chosen(parsed, model) });
        PlanSubject subject = new(model, elastic, Correction.IsSequential(parsed), device, precision);
        PlanOptions how = Planning.Read(parsed, subject, [.. budgets.Select(entry => entry.Budget)], cancellation);
        PlannedRow[] rows = [.. budgets.Select(entry => new PlannedRow(entry.Text, elastic.Plan(entry.Budget, how)))];
        RunRecord run = RunRecord.Of(parsed, model, (parsed.GetRequiredValue(Scores), scores));
        Report report = rows.Length == 1
            ? PlanReport.Of(run, rows[0], subject.FileBytes, how)
            : PlanReport.Of(run, rows, subject.FileBytes, how);
        return report with
        {
            Doubts = elastic.Doubts,
            Next = NextCommand.Of(
            [
                "cut", parsed.GetRequiredValue(Model.Argument), parsed.GetRequiredValue(Scores),
                .. BudgetList.AsOption(rows[0].Budget), "--out", "small.safetensors",
            ]),
        };
    }
}
