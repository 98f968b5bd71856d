using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit inspect</c>: what a file holds, per block.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string> FileArgument = new("FILE") { Description = "A model, a pruned model or a scores file, here or of the reference; or a model's name on the Hugging Face hub." };
    private static readonly HintOptions Hints = new();
    private static readonly Option<bool> ReferenceFlops = new("--reference-flops") { Description = "Count FLOPs as the reference does: one class token whatever the model has." };

    public static Command Create()
    {
        Verb command = new("inspect", "Shows what a model, a pruned model or a scores file holds, per block.", """
            Says of every fact where it was read: from the file's own config, from shapes, from the table of known models, or from an option.

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
        using ITensorArchive archive = CheckpointArchive.Open(path);
        return ElasticScores.IsScores(archive)
            ? ScoresReport.Of(path, ElasticScores.Load(path))
            : ModelReport.Of(path, ModelFile.Describe(archive, Hints.Read(parsed)), parsed.GetValue(ReferenceFlops) ? FlopConvention.Reference : FlopConvention.True);
    }
}
