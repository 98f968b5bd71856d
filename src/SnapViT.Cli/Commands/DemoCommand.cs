using System.CommandLine;
using SnapViT.Cli.Demo;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit demo</c>: the whole main job on a model and images that are part of the command.</summary>
internal static class DemoCommand
{
    private static readonly Option<string?> Out = new("--out")
    {
        Description = "The report to write (self-contained HTML); its table goes beside it as CSV.",
    };
    private static readonly Option<string?> Files = new("--files")
    {
        Description = "A folder to write, new or empty: model.safetensors, photos (without labels), "
            + "train and test (a sub-folder per class).",
    };

    private static readonly Option<int> Evaluations = new("--evaluations")
    {
        Description = "Candidates of the search.",
        DefaultValueFactory = _ => 0,
    };

    public static Command Create()
    {
        Verb command = new("demo", "Shows the whole job on a small model that is part of this command.", """
            Draws images, scores the model on some of them, cuts it to several budgets and measures each on others, beside cuts that
            take from fewer axes and cuts in a random order. Needs no download; less than a minute on two cores. With --files the
            model and the images are left, to try the other verbs on.

              snapvit demo --out demo.html
              snapvit demo --files demo
            """);
        command.Options.Add(Out);
        command.Options.Add(Files);
        command.Options.Add(Evaluations);
        command.Options.Add(GlobalOptions.Force);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (TorchSharp.torch.Device device, TorchSharp.torch.ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        if (parsed.GetValue(Evaluations) is < 0 and int evaluations)
        {
            throw new SnapViTException(ErrorKind.Option, $"--evaluations: expected 0 or more, found {evaluations}");
        }

        string? page = parsed.GetValue(Out);
        if (page is not null)
        {
            OutputPath.RequireWritable(page);
            OutputPath.RequireWritable(ReportFiles.TableOf(page));
        }

        string? files = parsed.GetValue(Files);
        if (files is not null)
        {
            AtomicFolder.RequireFree(files);
        }

        DemoRun run = new()
        {
            Preset = BuildOptions.Recommended,
            Evaluations = parsed.GetValue(Evaluations),
            Seed = parsed.GetValue(GlobalOptions.Seed),
            Device = device,
            Precision = precision,
        };
        void Write(DemoResult result, string folder)
        {
            if (page is not null)
            {
                ReportFiles.Write(DemoReport.Page(parsed, result, folder), page, figures: null);
            }
        }

        DemoResult measured = ProgressDisplay.Run(parsed, progress => Execute(run, files, Write, progress, cancellation));
        return DemoReport.Of(parsed, measured, page, files);
    }

    private static DemoResult Execute(
        DemoRun run, string? files, Action<DemoResult, string> made, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        if (files is null)
        {
            return run.Execute(made, progress, cancellation);
        }

        DemoResult? result = null;
        AtomicFolder.Write(files, folder =>
        {
            result = run.Execute(folder, progress, cancellation);
            made(result, folder);
        });
        return result!;
    }
}
