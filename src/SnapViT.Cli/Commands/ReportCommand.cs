using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Cli.Pages;
using SnapViT.Core.Checkpoints;
using Spectre.Console;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit report</c>: one page from what other verbs wrote.</summary>
internal static class ReportCommand
{
    private static readonly Argument<string[]> Runs = new("RUN")
    {
        Description = "What other verbs wrote: the JSON of eval (--out), of build, plan, demo or sweep (--json), and scores files. Several "
            + "of one model are shown together, each model apart.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "The page to write (self-contained HTML); its table goes beside it as CSV.",
        Required = true,
    };
    private static readonly Option<string?> Figures = new("--figures")
    {
        Description = "A folder to write, new or empty: every figure as SVG and PNG.",
    };
    private static readonly Option<string?> Images = new("--images")
    {
        Description = "The photos that the model was scored on, to show some of them. Default: where the run found them.",
    };
    private static readonly Option<string?> Test = new("--test")
    {
        Description = "The test images, to show those that change most. Default: where the run found them.",
    };

    public static Command Create()
    {
        Verb command = new("report", "Makes one page of what build, eval, plan and sweep wrote.", """
            Accuracy against FLOPs, parameters and time beside the baselines, what every block keeps, the search, the images that change
            most, the photos, and every option, version and hash. The page fetches nothing, and the same runs give the same page.

              snapvit eval MODEL --scores scores.safetensors --test test --baselines --out eval.json
              snapvit report scores.safetensors eval.json --images photos --out report.html
            """);
        command.Arguments.Add(Runs);
        foreach (Option option in new Option[] { Out, Figures, Images, Test, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string page = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(page);
        OutputPath.RequireWritable(ReportFiles.TableOf(page));
        string? figures = parsed.GetValue(Figures);
        if (figures is not null)
        {
            AtomicFolder.RequireFree(figures);
        }

        RunReader reader = new();
        foreach (string run in parsed.GetRequiredValue(Runs))
        {
            cancellation.ThrowIfCancellationRequested();
            reader.Read(run);
        }

        ReportImages images = new(parsed.GetValue(Images), parsed.GetValue(Test));
        ReportData data = reader.Data;
        foreach (ReportModel model in data.Models)
        {
            images.AddTo(model);
        }

        IReadOnlyList<string> written = ReportFiles.Write(data, page, figures);
        return new Report(
            new
            {
                Files = written.Select(path => new { Path = path, Bytes = File.Exists(path) ? new FileInfo(path).Length : (long?)null }),
                Models = data.Models.Select(model => new { model.Name, Lines = model.Lines.Select(line => line.Name) }),
            },
            console =>
            {
                foreach (string path in written)
                {
                    console.WriteLine($"wrote {path}");
                }

                foreach (ReportModel model in data.Models)
                {
                    foreach (string missing in model.Missing.Values)
                    {
                        console.WriteLine($"not on the page: {missing}");
                    }
                }
            })
        {
            Doubts = [.. data.Models.Where(model => model.Warning is not null).Select(model => $"{model.Name}: {model.Warning}")],
        };
    }
}
