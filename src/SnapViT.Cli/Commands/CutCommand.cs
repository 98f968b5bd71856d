using System.CommandLine;
using System.Globalization;
using SnapViT.Cli.Output;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit cut</c>: a pruned model of its own, for one budget.</summary>
internal static class CutCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Argument<string> Scores = new("SCORES") { Description = "The scores file of this model, from 'snapvit build'." };
    private static readonly Option<double?> Mlp = new("--mlp") { Description = "Share of all neurons to remove, 0 to 1; goes with --heads." };
    private static readonly Option<double?> Heads = new("--heads") { Description = "Share of all heads to remove, 0 to 1; goes with --mlp." };
    private static readonly Option<string?> Parameters = new("--params") { Description = "Parameters to keep at most: a share such as 0.5 (1.0 is the whole model), or a figure such as 22M." };
    private static readonly Option<string?> Flops = new("--flops") { Description = "FLOPs per image to keep at most: a share such as 0.6, or a figure such as 4.3G." };
    private static readonly CorrectionOption Correction = new();
    private static readonly Option<string> Out = new("--out") { Description = "The model file to write (safetensors, with its own config).", Required = true };

    public static Command Create()
    {
        Verb command = new("cut", "Cuts one sub-network and writes it as a model of its own.", """
            One budget is needed: --flops, --params, or the two ratios --mlp and --heads. Every verb reads the written model again.

              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --flops 0.6 --out small.safetensors
              snapvit cut deit_tiny.safetensors deit_tiny.scores.safetensors --mlp 0.45 --heads 0.3 --out small.safetensors
            """);
        Model.AddTo(command);
        command.Arguments.Add(Scores);
        foreach (Option option in new Option[] { Mlp, Heads, Parameters, Flops, Correction.Option, Out })
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        GlobalOptions.ReadyTorch(parsed);
        Budget budget = BudgetOf(parsed);
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        ElasticScores scores = ElasticScores.Load(parsed.GetRequiredValue(Scores));
        using LoadedModel model = Model.Load(parsed, cancellation);
        using ElasticViT elastic = ElasticViT.Create(model, scores, Correction.Choose(parsed, scores));
        using Subnet subnet = elastic.Materialize(elastic.Planner.Plan(budget));
        ModelFile.Save(path, subnet.Model, new ModelConfig
        {
            Architecture = model.Model.Architecture,
            Heads = [.. subnet.Plan.Widths.Select(block => block.Heads)],
            Neurons = [.. subnet.Plan.Widths.Select(block => block.Neurons)],
            Preprocessing = Model.Preprocess(parsed, model),
            Provenance = Provenance(model, scores, subnet.Plan),
        });
        Report.Write(parsed, CutReport.Of(path, subnet.Plan));
        return 0;
    }

    private static SortedDictionary<string, string> Provenance(LoadedModel model, ElasticScores scores, SubnetPlan plan) => new(scores.Provenance.ToDictionary(), StringComparer.Ordinal)
    {
        [ElasticScores.ModelHash] = model.Sha256,
        ["model"] = Path.GetFileName(model.Path),
        ["removed"] = plan.Removed.ToString(),
        ["parameters"] = plan.Parameters.ToString(CultureInfo.InvariantCulture),
        ["flops"] = plan.Flops.ToString(CultureInfo.InvariantCulture),
    };

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
