using System.CommandLine;
using SnapViT.Cli.Demo;
using SnapViT.Cli.Output;
using SnapViT.Core.Checkpoints;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit demo</c>: the whole main job on a model and images that are part of the command.</summary>
internal static class DemoCommand
{
    private static readonly Option<string?> Out = new("--out") { Description = "A page with the curves to write (self-contained HTML)." };
    private static readonly Option<int> Evaluations = new("--evaluations") { Description = "Candidates of the search.", DefaultValueFactory = _ => 20 };

    public static Command Create()
    {
        Verb command = new("demo", "Shows the whole job on a small model that is part of this command.", """
            Draws images, scores and searches the model on them, cuts nine budgets and measures each. Needs no download; one to two minutes on two cores.

              snapvit demo --out demo.html
            """);
        command.Options.Add(Out);
        command.Options.Add(Evaluations);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (TorchSharp.torch.Device device, TorchSharp.torch.ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string? page = parsed.GetValue(Out);
        if (page is not null)
        {
            OutputPath.RequireWritable(page);
        }

        DemoRun run = new()
        {
            Preset = BuildOptions.Recommended,
            Evaluations = parsed.GetValue(Evaluations),
            Seed = parsed.GetValue(GlobalOptions.Seed),
            Device = device,
            Precision = precision,
        };
        DemoResult result = ProgressDisplay.Run(parsed, progress => run.Execute(progress, cancellation));
        if (page is not null)
        {
            byte[] html = System.Text.Encoding.UTF8.GetBytes(DemoPage.Html(result));
            AtomicFile.Write(page, stream => stream.Write(html));
        }

        return DemoReport.Of(result, page);
    }
}
