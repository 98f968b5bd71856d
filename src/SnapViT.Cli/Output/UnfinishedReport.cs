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
            IsScored = position.Local is not null,
            Evaluations = position.History.Count,
            position.Skipped,
        },
        console =>
        {
            console.WriteLine($"{path}: a build that was interrupted: {position.ToText()}");
            console.WriteLine("the same command on the same input continues it; any other begins anew");
        });
}
