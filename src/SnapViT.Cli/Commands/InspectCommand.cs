using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Onnx;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit inspect</c>: what a file holds, per block.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string> FileArgument = new("FILE")
    {
        Description = "A model, a pruned model, a scores file, here or of the reference, an ONNX graph, the folder of an ONNX family, or "
            + "the state of an interrupted build; or a model's name on the Hugging Face hub.",
    };
    private static readonly HintOptions Hints = new();
    private static readonly Option<bool> ReferenceFlops = new("--reference-flops")
    {
        Description = "Count FLOPs as the reference does: one class token whatever the model has.",
    };

    public static Command Create()
    {
        Verb command = new("inspect", "Shows what a file holds: a model, scores, an ONNX graph or family, an unfinished build.", """
            Says of every fact where it was read: from the file's own config, from shapes, from the table of known models, or from
            an option.

              snapvit inspect small.safetensors
            """);
        command.Arguments.Add(FileArgument);
        Hints.AddTo(command);
        command.Options.Add(ReferenceFlops);
        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        string path = HubModel.Local(parsed, parsed.GetRequiredValue(FileArgument), cancellation);
        FlopConvention convention = parsed.GetValue(ReferenceFlops) ? FlopConvention.Reference : FlopConvention.True;
        if (OnnxFamilyFiles.FolderOf(path) is string family)
        {
            return FamilyReport.Of(family, OnnxFamilyFiles.Read(family));
        }

        if (OnnxFile.IsOne(path))
        {
            return OnnxReport.Of(path, OnnxFile.Read(path), convention);
        }

        using ITensorArchive archive = CheckpointArchive.Open(path);
        if (archive is SafetensorsReader state && BuildState.IsOne(state))
        {
            return UnfinishedReport.Of(path, BuildState.Describe(state));
        }

        string named = parsed.GetRequiredValue(FileArgument);
        if (ElasticScores.IsScores(archive))
        {
            return ScoresReport.Of(path, ElasticScores.Load(path)) with { Next = NextCommand.Of("plan", "MODEL", named, "--flops", "0.6") };
        }

        ModelDescription description = ModelFile.Describe(archive, Hints.Read(parsed));
        return ModelReport.Of(path, description, convention) with
        {
            Next = description.Widths.Equals(description.Architecture.FullWidths)
                ? NextCommand.Of("build", named, "--images", "PHOTOS", "--out", "scores.safetensors")
                : NextCommand.Of("eval", named, "--test", "TEST"),
        };
    }
}
