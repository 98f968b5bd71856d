using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit cut</c>: a pruned model of its own, for one budget.</summary>
internal static class CutCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Argument<string> Scores = new("SCORES") { Description = "The scores file of this model, from 'snapvit build' or of the reference (.pt)." };
    private static readonly Option<double?> Mlp = new("--mlp") { Description = "Share of all neurons to remove, 0 to 1; goes with --heads." };
    private static readonly Option<double?> Heads = new("--heads") { Description = "Share of all heads to remove, 0 to 1; goes with --mlp." };
    private static readonly Option<string?> Parameters = new("--params") { Description = "Parameters to keep at most: a share such as 0.5 (1.0 is the whole model), or a figure such as 22M." };
    private static readonly Option<string?> Flops = new("--flops") { Description = "FLOPs per image to keep at most: a share such as 0.6, or a figure such as 4.3G." };
    private static readonly CorrectionOption Correction = new(offersSequential: true);
    private static readonly CutTargets Targets = new();

    public static Command Create()
    {
        Verb command = new("cut", "Cuts one sub-network and writes it as a model of its own.", """
            One budget is needed: --flops, --params, or the two ratios --mlp and --heads; and one file to write, or several in different formats.
            Every verb reads the model of --out again.

              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --flops 0.6 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --mlp 0.45 --heads 0.3 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --params 4M --onnx small.onnx --fp16 --pt small.pt
            """);
        Model.AddTo(command);
        command.Arguments.Add(Scores);
        foreach (Option option in new Option[] { Mlp, Heads, Parameters, Flops })
        {
            command.Options.Add(option);
        }

        Correction.AddTo(command);
        Targets.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        GlobalOptions.ReadyTorch(parsed);
        Budget budget = BudgetOf(parsed);
        Targets.Require(parsed, Correction.IsSequential(parsed));
        Correction.RequirePhotos(parsed, Targets.Photos(parsed));
        ElasticScores scores = ElasticScores.Load(parsed.GetRequiredValue(Scores));
        using LoadedModel model = Model.Load(parsed, cancellation);
        Targets.RequireFormats(parsed, model.Model.Architecture);
        using ElasticViT elastic = ElasticViT.Create(model, scores, Correction.Choose(parsed, scores));
        Preprocessing preprocessing = Model.Preprocess(parsed, model);
        using Subnet subnet = Cut(parsed, elastic, elastic.Planner.Plan(budget), model, preprocessing, cancellation);
        ModelAgreement? agreement = Targets.Compare(parsed, subnet, preprocessing, cancellation);
        IReadOnlyList<string> files = Targets.Write(parsed, subnet, SubnetConfig.Of(model, scores, subnet.Plan, preprocessing, Correction.Describe(parsed, scores)));
        Report.Write(parsed, CutReport.Of(files, subnet.Plan, agreement));
        return 0;
    }

    private static Subnet Cut(ParseResult parsed, ElasticViT elastic, SubnetPlan plan, LoadedModel model, Preprocessing preprocessing, CancellationToken cancellation)
    {
        if (!Correction.IsSequential(parsed))
        {
            return elastic.Materialize(plan);
        }

        using Subnet start = elastic.At(plan);
        return ProgressDisplay.Run(parsed, progress =>
            Correction.ByPhotos(parsed, Targets.Photos(parsed), model, preprocessing, progress)!.Apply(start, cancellation: cancellation));
    }

    private static Budget BudgetOf(ParseResult parsed)
    {
        double? mlp = parsed.GetValue(Mlp), heads = parsed.GetValue(Heads);
        string? parameters = parsed.GetValue(Parameters), flops = parsed.GetValue(Flops);
        int given = (mlp ?? heads) is null ? 0 : 1;
        given += (parameters is null ? 0 : 1) + (flops is null ? 0 : 1);
        if (given != 1)
        {
            throw new BudgetException($"budget: expected one of '--mlp R --heads R', '--params F' and '--flops F', found {given}");
        }

        return parameters is not null ? Budget.ParseParameters(parameters)
            : flops is not null ? Budget.ParseFlops(flops)
            : Budget.Ratios(mlp ?? 0, heads ?? 0);
    }
}
