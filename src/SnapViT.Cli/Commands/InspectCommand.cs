using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit inspect</c>: what a file holds, per block.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string> FileArgument = new("FILE") { Description = "A model, a pruned model or a scores file; or a model's name on the Hugging Face hub." };
    private static readonly Option<int?> Heads = new("--num-heads") { Description = "Attention heads per block; needed only where the model is none of the known sizes." };

    public static Command Create()
    {
        Verb command = new("inspect", "Shows what a model, a pruned model or a scores file holds, per block.", """
            Says of every fact where it was read: from the file's own config, from shapes, from the table of known models, or from an option.

              snapvit inspect small.safetensors
            """);
        command.Arguments.Add(FileArgument);
        command.Options.Add(Heads);
        command.SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string path = HubModel.Local(parsed, parsed.GetRequiredValue(FileArgument), cancellation);
        using SafetensorsReader archive = SafetensorsReader.Open(path);
        Report.Write(parsed, ElasticScores.IsScores(archive)
            ? ScoresReport.Of(path, ElasticScores.Load(path))
            : ModelReport.Of(path, ModelFile.Describe(archive, parsed.GetValue(Heads))));
        return 0;
    }
}
