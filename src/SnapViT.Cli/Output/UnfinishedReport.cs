using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>How far an interrupted build is.</summary>
internal static class UnfinishedReport
{
    public static Report Of(string path, BuildPosition position) => new(
        new
        {
            File = path,
            Kind = "unfinished",
            position.Photos,
            position.AllPhotos,
            Shard = position.Shard?.ToString(),
            MergedShards = position.Merged == 0 ? (int?)null : position.Merged,
            IsScored = position.Local is not null,
            Evaluations = position.History.Count,
            position.Skipped,
        },
        console =>
        {
            string kind = position.IsMerged ? "merged shards of a build"
                : position.Shard is not null ? "a part of a build" : "a build that was interrupted";
            console.WriteLine($"{path}: {kind}: {position.ToText()}");
            console.WriteLine(position.Shard is not null && position.Images > 0
                ? "merge-scores puts all shards together"
                : "the same command on the same input continues it; any other begins anew");
        });
}
