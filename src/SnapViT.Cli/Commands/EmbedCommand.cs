using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Workflows;
using Spectre.Console;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit embed</c>: features of images by a model or a sub-network of it, as a file.</summary>
internal static class EmbedCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Option<string?> Scores = new("--scores")
    {
        Description = "The scores file of this model, for a sub-network within a budget; without it the model itself embeds.",
    };
    private static readonly BudgetOptions Budgets = new();
    private static readonly PlanningOptions Planning = new();
    private static readonly CorrectionOption Correction = new(offersSequential: false);
    private static readonly Option<string> Images = new("--images")
    {
        Description = "The images: a folder, an archive, a list or a data set; after a '#' one split of it.",
        Required = true,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "The file to write: .npy (names in a text file beside it), .parquet (a row an image), else safetensors.",
        Required = true,
    };
    private static readonly Option<bool> PatchTokens = new("--patch-tokens")
    {
        Description = "Write one vector a patch, [n, patches, D], instead of one an image.",
    };
    private static readonly Option<bool> WithLabels = new("--with-labels") { Description = "Read the classes too, and write them." };
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 32 };

    public static Command Create()
    {
        Verb command = new("embed", "Writes features of images by a model or a sub-network of it.", """
            Features are float32, a row an image in the order of the set. Images that cannot be read are left out and listed.

              snapvit embed small.safetensors --images photos --out features.npy
              snapvit embed deit_tiny.safetensors --scores scores.safetensors --flops 0.6 --images EuroSAT.zip --out features.parquet
            """);
        Model.AddTo(command);
        command.Options.Add(Scores);
        Budgets.AddTo(command);
        foreach (Option option in new Option[] { Images, Out, PatchTokens, WithLabels, Batch, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        Planning.AddTo(command);
        Correction.AddTo(command);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string path = parsed.GetRequiredValue(Out);
        foreach (string file in FeatureFile.FilesOf(path))
        {
            OutputPath.RequireWritable(file);
        }

        if (parsed.GetValue(Batch) is < 1 and int batch)
        {
            throw new SnapViTException(ErrorKind.Option, $"--batch: expected at least 1, found {batch}");
        }

        ElasticScores? scores = parsed.GetValue(Scores) is string from ? ElasticScores.Load(from) : null;
        RequireWithScores(parsed, scores);
        (string Text, Budget Budget)? budget = scores is null ? null : Budgets.Read(parsed);
        Planning.Require(parsed);
        Correction.Require(parsed);
        PhotoFolders folders = new(parsed);
        bool labelled = parsed.GetValue(WithLabels);
        ImageSet images = folders.Open(parsed.GetRequiredValue(Images), SplitUse.Photos, withLabels: labelled);
        using LoadedModel model = Model.Load(parsed, cancellation);
        using ElasticViT? elastic = scores is null ? null : ElasticViT.Open(model, scores, new ElasticOptions
        {
            Correction = Correction.Read(parsed), Precision = precision, Device = device, Preprocessing = Model.Chosen(parsed, model),
        });
        using Subnet? subnet = elastic is null ? null : elastic.At(elastic.Plan(budget!.Value.Budget, Planning.Read(
            parsed, new PlanSubject(model, elastic, Sequential: false, device, precision), [budget.Value.Budget], cancellation)));
        using VisionTransformer? whole = subnet is null ? new VisionTransformer(model.Model.Weights.To(precision, device)) : null;
        VisionTransformer network = subnet?.Model ?? whole!;
        Preprocessing preprocessing = Model.Preprocess(parsed, model);
        EmbeddedImages embedded = ProgressDisplay.Run(parsed, progress => ImageEmbedding.Run(
            parsed.GetValue(PatchTokens) ? batch => ImageEmbedding.PatchTokens(network, batch) : network.Embed,
            preprocessing,
            images,
            parsed.GetValue(Batch),
            device,
            progress,
            cancellation));
        using Tensor features = embedded.Features;
        IReadOnlyList<string> files = FeatureFile.Save(
            path,
            features,
            [.. embedded.Entries.Select(entry => entry.Name)],
            labelled ? [.. embedded.Entries.Select(entry => NameOf(images, entry.Label))] : null,
            Metadata(parsed, images, budget?.Text));
        long[] shape = [.. features.shape];
        return new Report(
            new
            {
                Files = files, Shape = shape, Images = embedded.Entries.Count, Budget = budget?.Text, embedded.Skipped, folders.LeftOut,
            },
            console => Render(console, path, shape, embedded.Skipped))
        {
            Doubts = elastic?.Doubts ?? Model.Doubts(parsed, model),
        };
    }

    private static void Render(IAnsiConsole console, string path, long[] shape, IReadOnlyList<SkippedImage> skipped)
    {
        foreach (SkippedImage image in skipped)
        {
            console.WriteLine($"left out: {image.Name}: {image.Reason}");
        }

        console.WriteLine($"{path}: features of {shape[0]} images, [{string.Join(", ", shape)}]");
    }

    private static string? NameOf(ImageSet images, int? label) =>
        label is not int number ? null : images.Classes.Count > 0 ? images.Classes[number] : $"{number}";

    private static Dictionary<string, string> Metadata(ParseResult parsed, ImageSet images, string? budget)
    {
        Dictionary<string, string> metadata = new()
        {
            ["model"] = Path.GetFileName(parsed.GetRequiredValue(Model.Argument)),
            ["images_sha256"] = images.Hash(),
        };
        if (budget is not null)
        {
            metadata["budget"] = budget;
        }

        return metadata;
    }

    /// <summary>Options of sub-networks say nothing of the model itself.</summary>
    private static void RequireWithScores(ParseResult parsed, ElasticScores? scores)
    {
        Option? given = scores is null
            ? Budgets.Options.Concat(Planning.Options).Concat(Correction.Options)
                .FirstOrDefault(option => GlobalOptions.IsGiven(parsed, option))
            : null;
        if (given is not null)
        {
            throw new SnapViTException(ErrorKind.Option, $"{given.Name}: expected --scores FILE with it, found none");
        }
    }
}
