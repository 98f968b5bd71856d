using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit cka</c>: how alike the parts of a model see photos, as a matrix and a heat map.</summary>
internal static class CkaCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Option<string> Images = new("--images")
    {
        Description = "Photos: a folder, an archive, a list or a data set; labels are not used.",
        Required = true,
    };
    private static readonly Option<string> Out = new("--out") { Description = "The matrices to write (safetensors).", Required = true };
    private static readonly Option<string?> Map = new("--map") { Description = "A heat map to write as well (SVG)." };
    private static readonly Option<int> Samples = new("--samples")
    {
        Description = "Photos used at most, a seeded sample; memory grows with their square.",
        DefaultValueFactory = _ => 256,
    };
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 32 };

    public static Command Create()
    {
        Verb command = new("cka", "Measures how alike the MLPs and heads of a model see photos.", """
            Centred kernel alignment of every pair, and the correlation matrix nearest to it, from which a search can start.

              snapvit cka vit.safetensors --images photos --out cka.safetensors --map cka.svg
              snapvit build vit.safetensors --images photos --preset reference --initial-covariance cka.safetensors --out s.safetensors
            """);
        Model.AddTo(command);
        foreach (Option option in new Option[] { Images, Out, Map, Samples, Batch, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, _) = GlobalOptions.ReadyTorch(parsed);
        string path = parsed.GetRequiredValue(Out);
        string? map = parsed.GetValue(Map);
        OutputPath.RequireWritable(path);
        if (map is not null)
        {
            OutputPath.RequireWritable(map);
        }

        foreach (Option<int> option in new[] { Samples, Batch })
        {
            if (parsed.GetValue(option) is < 1 and int number)
            {
                throw new SnapViTException(ErrorKind.Option, $"{option.Name}: expected at least 1, found {number}");
            }
        }

        PhotoFolders folders = new(parsed);
        ImageSet images = folders.Open(parsed.GetRequiredValue(Images)).Sample(
            parsed.GetValue(Samples), parsed.GetValue(GlobalOptions.Seed));
        using LoadedModel model = Model.Load(parsed, cancellation);
        ModelAlignment alignment = ProgressDisplay.Run(parsed, progress => ModelAlignment.Of(
            model, Model.Preprocess(parsed, model), images, parsed.GetValue(Batch), device, progress, cancellation));
        alignment.Save(path, model, images);
        if (map is not null)
        {
            HeatMap.Write(map, alignment.Alignment, model.Model.Architecture);
        }

        ViTArchitecture a = model.Model.Architecture;
        double mlps = MeanOf(0, a.Depth), heads = MeanOf(a.Depth, a.Depth * (1 + a.Heads)), change = Change(alignment);
        string[] files = map is null ? [path] : [path, map];
        return new Report(
            new
            {
                Files = files,
                Images = images.Count - alignment.Skipped.Count,
                Parts = alignment.Alignment.GetLength(0),
                MeanOfMlps = mlps,
                MeanOfHeads = heads,
                CorrelationChange = change,
                alignment.Skipped,
                folders.LeftOut,
            },
            console =>
            {
                console.WriteLine(Figures.Invariant($"{a.Depth} MLPs and {a.Depth * a.Heads} heads on {images.Count} photos: ")
                    + Figures.Invariant($"mean alignment of two MLPs {mlps:0.000}, of two heads {heads:0.000}"));
                console.WriteLine(Figures.Invariant($"nearest correlation matrix: largest change of a value {change:0.0e0}"));
                foreach (string file in files)
                {
                    console.WriteLine($"wrote {file}");
                }

                foreach (SkippedImage skipped in alignment.Skipped)
                {
                    console.WriteLine($"skipped {skipped.Name}: {skipped.Reason}");
                }
            },
            NextCommand.Of(
                "build", parsed.GetRequiredValue(Model.Argument), "--images", parsed.GetRequiredValue(Images), "--preset", "reference",
                "--initial-covariance", path, "--out", "scores.safetensors"))
        {
            Doubts = Model.Doubts(parsed, model),
        };

        double MeanOf(int first, int end)
        {
            double sum = 0;
            for (int i = first; i < end; i++)
            {
                for (int j = first; j < end; j++)
                {
                    sum += i == j ? 0 : alignment.Alignment[i, j];
                }
            }

            return sum / Math.Max(1, (end - first) * (end - first - 1));
        }
    }

    private static double Change(ModelAlignment alignment) => alignment.Alignment.Cast<double>()
        .Zip(alignment.Correlation.Cast<double>(), (before, after) => Math.Abs(before - after)).Max();
}
