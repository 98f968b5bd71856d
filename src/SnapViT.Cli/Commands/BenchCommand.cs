using System.CommandLine;
using System.Globalization;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Cli.Roofline;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit bench</c>: how near to the machine's limits every stage runs.</summary>
internal static class BenchCommand
{
    private static readonly Option<string?> Only = new("--only")
    {
        Description = $"Stages to measure: {string.Join(", ", Stages.All.Select(stage => stage.Name))}; {BuildStages.Name} takes "
            + "minutes and is measured only where it is named. Default: all others.",
    };
    private static readonly Option<string> Widths = new("--widths")
    {
        Description = "Embed dims of the models that embed, multiples of 64; the first one is scored and searched, the last one cut.",
        DefaultValueFactory = _ => "384,768,1024",
    };
    private static readonly Option<int> ImageSize = new("--image-size")
    {
        Description = "Side of the models' images in pixels, a multiple of 16 up to 1024.",
        DefaultValueFactory = _ => 224,
    };
    private static readonly Option<string> Batches = new("--batches")
    {
        Description = "Images per forward pass of embed.",
        DefaultValueFactory = _ => "1,16,64",
    };
    private static readonly Option<double> Seconds = new("--seconds")
    {
        Description = "Each case is repeated for about so long.",
        DefaultValueFactory = _ => 1,
    };
    private static readonly Option<string?> Out = new("--out") { Description = "The figures to write (JSON)." };
    private static readonly Option<string?> Chart = new("--chart")
    {
        Description = "The shares of the limits as a picture to write (SVG).",
    };
    private static readonly Option<string?> Table = new("--table") { Description = "The table to write (Markdown)." };

    public static Command Create()
    {
        Verb command = new("bench", "Measures how near to this machine's limits every stage runs.", """
            Plain matrix products and copies of memory first, then each stage of the job in turn with what bounds it, on random models.
            Shares carry over to other machines; images a second do not.

              snapvit bench
              snapvit bench --only embed,threads --widths 384 --batches 1,16
              snapvit bench --only embed --widths 1024 --image-size 512
              snapvit bench --out bench.json --chart bench.svg --table bench.md
              snapvit bench --only build --widths 384
            """);
        foreach (Option option in new Option[] { Only, Widths, ImageSize, Batches, Seconds, Out, Chart, Table, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string[] files = [.. new[] { parsed.GetValue(Out), parsed.GetValue(Chart), parsed.GetValue(Table) }.OfType<string>()];
        Array.ForEach(files, OutputPath.RequireWritable);
        int[] widths = Numbers(parsed, Widths, width => width > 0 && width % 64 == 0, "multiples of 64 such as 384,768");
        int[] batches = Numbers(parsed, Batches, batch => batch > 0, "numbers from 1 on such as 1,16");
        (string Name, Func<StageSettings, IEnumerable<StageRow>> Run)[] stages = Named(parsed.GetValue(Only));
        int side = parsed.GetValue(ImageSize);
        if (side is < 16 or > 1024 || side % 16 != 0)
        {
            throw new SnapViTException(
                ErrorKind.Option, Figures.Invariant($"{ImageSize.Name}: expected a multiple of 16 up to 1024, found {side}"));
        }

        double seconds = parsed.GetValue(Seconds);
        if (seconds is < 0 or > 60)
        {
            throw new SnapViTException(ErrorKind.Option, Figures.Invariant($"{Seconds.Name}: expected 0..60, found {seconds}"));
        }

        // Without a precision of its own, what the machine computes natively: float32, and bfloat16 where auto takes it.
        (ScalarType Type, string Name)[] precisions =
        [
            .. RandomModel.Precisions.Where(one => one.Type == precision
                || (one.Type == ScalarType.Float32 && !GlobalOptions.IsGiven(parsed, GlobalOptions.Precision))),
        ];
        string machine = Figures.Invariant(
            $"{MachineFacts.Describe()}, {GlobalOptions.ThreadsOf(parsed)} threads, {device.type.ToString().ToLowerInvariant()}");
        using IDisposable frozen = no_grad();
        (MachineLimits limits, List<StageRow> rows) = ProgressDisplay.Run(parsed, progress =>
        {
            progress.Report(new WorkProgress("limits", 0, stages.Length + 1));
            MachineLimits measured = new(precisions.Select(one => one.Type), device);
            StageSettings settings = new(new StageTimer(measured, seconds, cancellation), widths, side, batches, precisions, device);
            List<StageRow> found = [];
            for (int stage = 0; stage < stages.Length; stage++)
            {
                progress.Report(new WorkProgress(stages[stage].Name, stage + 1, stages.Length + 1));
                found.AddRange(stages[stage].Run(settings));
            }

            return (measured, found);
        });
        using (limits)
        {
            RooflineReport report = new(machine, limits, rows);
            Report result = report.ToReport(files);
            if (parsed.GetValue(Out) is string json)
            {
                result.SaveJson(json);
            }

            Write(parsed.GetValue(Chart), () => report.Chart().ToFile());
            Write(parsed.GetValue(Table), report.ToMarkdown);
            return result;
        }
    }

    private static void Write(string? path, Func<string> text)
    {
        if (path is not null)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text());
            AtomicFile.Write(path, stream => stream.Write(bytes));
        }
    }

    /// <summary>The stages of a list of names; all but the longest without one.</summary>
    private static (string Name, Func<StageSettings, IEnumerable<StageRow>> Run)[] Named(string? names)
    {
        (string Name, Func<StageSettings, IEnumerable<StageRow>> Run)[] all = [.. Stages.All, (BuildStages.Name, BuildStages.Run)];
        string[] asked = names?.Split(',', StringSplitOptions.TrimEntries) ?? [.. Stages.All.Select(stage => stage.Name)];
        string? unknown = Array.Find(asked, name => !Array.Exists(all, stage => stage.Name == name));
        return unknown is null
            ? [.. all.Where(stage => asked.Contains(stage.Name))]
            : throw new SnapViTException(
                ErrorKind.Option,
                $"{Only.Name}: expected some of {string.Join(", ", all.Select(stage => stage.Name))}, found '{unknown}'");
    }

    private static int[] Numbers(ParseResult parsed, Option<string> option, Func<int, bool> isRight, string expected)
    {
        string text = parsed.GetRequiredValue(option);
        int?[] numbers =
        [
            .. text.Split(',', StringSplitOptions.TrimEntries).Select(part =>
                int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && isRight(number)
                    ? number
                    : (int?)null),
        ];
        return numbers.Contains(null)
            ? throw new SnapViTException(ErrorKind.Option, $"{option.Name}: expected {expected}, found '{text}'")
            : [.. numbers.OfType<int>()];
    }
}
