using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Errors;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit merge-scores</c>: the shards of a build, put together to what the build continues from.</summary>
internal static class MergeScoresCommand
{
    private static readonly Argument<string[]> Shards = new("SHARDS")
    {
        Description = "What 'snapvit build --shard' wrote, every shard once, in any order.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string> Out = new("--out")
    {
        Description = "The scores file that the build will write; the merged sums are written beside it, as OUT.unfinished.",
        Required = true,
    };

    public static Command Create()
    {
        Verb command = new("merge-scores", "Puts the shards of a build together; the build then continues from there.", """
            The same build command without --shard, on one machine, then does what needs all photos: scores, search and frontier. The
            scores file has the same bytes whatever the number of shards, one that was not sharded included.

              snapvit merge-scores part1 part2 part3 --out scores.safetensors
              snapvit build MODEL --images photos --out scores.safetensors
            """);
        command.Arguments.Add(Shards);
        foreach (Option option in new Option[] { Out, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report Run(ParseResult parsed, CancellationToken cancellation)
    {
        GlobalOptions.ReadyTorch(parsed);
        string path = parsed.GetRequiredValue(Out), state = path + BuildCommand.Unfinished;
        OutputPath.RequireWritable(state);
        if (File.Exists(state) && !parsed.GetValue(GlobalOptions.Force))
        {
            throw new SnapViTException(
                ErrorKind.Option, $"{Out.Name} {path}: there is the state of a build already, {state}; --force replaces it");
        }

        (BuildPosition position, string? doubt) = ShardMerge.Merge(parsed.GetRequiredValue(Shards), state, cancellation);
        return ShardReport.OfMerged(path, state, position, doubt);
    }
}
