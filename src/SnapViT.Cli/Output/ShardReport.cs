using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What one part of a build, or all of them together, read.</summary>
internal static class ShardReport
{
    /// <summary>One part.</summary>
    public static Report Of(string path, RunRecord run, BuildPosition read, IReadOnlyList<object> leftOut) => new(
        new { Run = run, Out = path, Shard = read.Shard!.Value.ToString(), read.Photos, read.Images, read.Skipped, LeftOut = leftOut },
        console =>
        {
            console.WriteLine($"{path}: shard {read.Shard}, {read.Photos} of {read.Images} photos");
            foreach (SnapViT.Data.SkippedImage skipped in read.Skipped)
            {
                console.WriteLine($"skipped {skipped.Name}: {skipped.Reason}");
            }

            console.WriteLine("when all shards are there: snapvit merge-scores SHARDS --out scores.safetensors");
        });

    /// <summary>All parts.</summary>
    public static Report OfMerged(string path, string state, BuildPosition position, string? doubt) => new(
        new { Out = path, State = state, Shards = position.Merged, position.Photos, position.Skipped },
        console =>
        {
            console.WriteLine($"{state}: {position.Merged} shards, {position.Photos} photos");
            console.WriteLine($"the build command of the shards continues it, without --shard and with --out {path}");
        })
    {
        Doubts = doubt is null ? [] : [doubt],
    };
}
