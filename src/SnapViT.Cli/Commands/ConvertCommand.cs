using System.CommandLine;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using Spectre.Console;

namespace SnapViT.Cli.Commands;

/// <summary>
/// <c>snapvit convert</c>: a model under the names of another publisher, scores in the reference's format or in this one's.
/// </summary>
internal static class ConvertCommand
{
    private static readonly ModelOptions Model = new();
    private static readonly Option<string?> To = new("--to")
    {
        Description = "Names to write a model with.",
    };
    private static readonly Option<string?> Scores = new("--scores")
    {
        Description = "Convert this scores file of the model instead: one of the reference to this program's format, one made here to the "
            + "reference's.",
    };
    private static readonly Option<string?> ModelType = new("--model-type")
    {
        Description = "For scores made here: the reference's name of the model.",
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "The file to write: .pt, .pth or .bin for PyTorch's format, else safetensors. NAME.config.json beside a model keeps "
            + "what is known of it; beside model.safetensors and pytorch_model.bin, transformers' formats get their config.json.",
        Required = true,
    };

    public static Command Create()
    {
        Verb command = new("convert", "Writes a model under another publisher's names, or scores in the reference's format.", """
            Every value keeps its bits, and the model its preprocessing, provenance and scores. A scores file of the reference
            becomes one of this program, and one made here the reference's.

              snapvit convert facebook_dinov2_small --to dinov2 --out dinov2_vits14.pth
              snapvit convert model.safetensors --to transformers-vit --out vit/model.safetensors
              snapvit convert dino_vits16.pth --scores dino.scores.safetensors --model-type dino_vits16 --out importance-scores.pt
            """);
        Model.AddTo(command);
        To.AcceptOnlyFromAmong([.. StateDictFormats.Writable.Select(format => format.Name)]);
        ModelType.AcceptOnlyFromAmong([.. ReferenceScores.ModelTypes]);
        foreach (Option option in new Option[] { To, Scores, ModelType, Out, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        OutputPath.RequireWritable(ModelFile.ConfigPath(path));
        Require(parsed);
        using CanonicalArchive archive = ModelFile.OpenCanonical(Model.Path(parsed, cancellation), Model.Hints(parsed).Weights);
        ModelDescription description = ModelFile.Describe(archive, Model.Hints(parsed) with { ImageSize = null });
        string? config = null;
        (string written, string next) = (parsed.GetValue(Scores), parsed.GetValue(To)) switch
        {
            (string scores, null) => ConvertScores(parsed, scores, description.Architecture, path),
            (null, string format) => (
                ConvertModel(archive, description, StateDictFormats.Named(format), path, out config), NextCommand.Of("inspect", path)),
            _ => throw new InvalidOperationException("neither a format nor scores"),
        };
        return new Report(new { Out = path, Written = written, Config = config }, console => console.WriteLine($"{path}: {written}"), next)
        {
            Doubts = description.Assumptions,
        };
    }

    /// <summary>Fails in one line, before a model is opened or fetched, where options are missing or contradict each other.</summary>
    private static void Require(ParseResult parsed)
    {
        string? scores = parsed.GetValue(Scores), type = parsed.GetValue(ModelType);
        if ((scores is null) == (parsed.GetValue(To) is null))
        {
            throw new SnapViTException(ErrorKind.Option, "convert: expected one of --to FORMAT and --scores FILE");
        }

        bool isMade = scores is not null && !CheckpointArchive.IsTorch(scores);
        if (isMade && type is null)
        {
            throw new SnapViTException(
                ErrorKind.Option, $"--model-type: expected one of {string.Join(", ", ReferenceScores.ModelTypes)}, found nothing");
        }

        if (!isMade && type is not null)
        {
            throw new SnapViTException(ErrorKind.Option, "--model-type: expected --scores FILE made here with it, found none");
        }
    }

    /// <summary>All files that <c>--out</c> makes the verb write.</summary>
    public static string[] FilesOf(ParseResult parsed, string path) =>
        parsed.GetValue(To) is null ? [path]
        : PublishedConfigOf(parsed, path) is string config ? [path, ModelFile.ConfigPath(path), config]
        : [path, ModelFile.ConfigPath(path)];

    /// <summary>The config that transformers reads with that output; null for one of another publisher, or of another name.</summary>
    private static string? PublishedConfigOf(ParseResult parsed, string path) =>
        StateDictFormats.Writable.FirstOrDefault(format => format.Name == parsed.GetValue(To)) is StateDictFormat format
            && TransformersConfigWriter.Knows(format) && TransformersConfigWriter.IsWeightsName(path)
            ? Path.Combine(Path.GetDirectoryName(path) ?? "", TransformersConfigWriter.FileName)
            : null;

    private static string ConvertModel(
        CanonicalArchive archive, ModelDescription description, StateDictFormat format, string path, out string? publishedConfig)
    {
        if (description.RotaryPairs is not null)
        {
            throw new SnapViTException(
                ErrorKind.Architecture,
                "convert: expected queries and keys in the order that they are published in, found a cut model with sorted rotary pairs, "
                    + "which no other program reads");
        }

        // A doubt about the preprocessing would be settled by a config that says nothing of it; without one, the doubt stays with the new
        // file.
        ModelConfig? config = description.PreprocessingDoubt is not null
            ? null
            : ModelConfig.Of(description.Architecture, description.Widths) with
            {
                Preprocessing = description.Preprocessing,
                ClassNames = description.ClassNames.Count > 0 ? description.ClassNames : null,
                Provenance = description.Provenance,
            };
        IReadOnlyList<string> tensors = StateDictConversion.Write(
            archive, description.Architecture, description.Widths, format, path, config is null ? null : ModelFile.Metadata(config));
        if (config is not null)
        {
            ModelFile.SaveConfig(path, config);
        }

        string written = $"the model of {archive.StateDictFormat.Name} with the names of {format.Name}";
        publishedConfig = null;
        if (!TransformersConfigWriter.Knows(format))
        {
            return written;
        }

        string? text = TransformersConfigWriter.Write(
            format, description.Architecture, description.Widths, tensors, description.ClassNames, out string? fault);
        if (text is null)
        {
            return $"{written}; without a config.json, since transformers has no such model: {fault}";
        }

        if (!TransformersConfigWriter.IsWeightsName(path))
        {
            return $"{written}; named model.safetensors in a folder of its own, it gets the config.json that transformers reads";
        }

        publishedConfig = Path.Combine(Path.GetDirectoryName(path) ?? "", TransformersConfigWriter.FileName);
        AtomicFile.Write(publishedConfig, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        return $"{written}, and config.json, as transformers reads them";
    }

    private static (string Written, string Next) ConvertScores(ParseResult parsed, string scores, ViTArchitecture architecture, string path)
    {
        ElasticScores read = ElasticScores.Load(scores);
        if (CheckpointArchive.IsTorch(scores))
        {
            read.Save(path);
            return (
                "the scores of the reference in this program's format",
                NextCommand.Of("plan", parsed.GetRequiredValue(Model.Argument), path, "--flops", "0.6"));
        }

        ReferenceScores.From(read, architecture, parsed.GetValue(ModelType)!).Save(path);
        return ("the scores in the format of the reference", NextCommand.Of("inspect", path));
    }
}
