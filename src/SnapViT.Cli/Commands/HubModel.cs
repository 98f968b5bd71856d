using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Hub;

namespace SnapViT.Cli.Commands;

/// <summary>Models given by their name on the hub.</summary>
internal static class HubModel
{
    /// <summary>What exists on this machine is a path, and so is what cannot be a name; anything else is fetched.</summary>
    public static string Local(ParseResult parsed, string model, CancellationToken cancellation)
    {
        if (Path.Exists(model) || !HubModelName.TryParse(model, out HubModelName? name))
        {
            return model;
        }

        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        using HubClient client = new(HubEnvironment.Read(Environment.GetEnvironmentVariable, home));
        return ProgressDisplay.Run(parsed, progress => client.FetchAsync(name, progress, cancellation).GetAwaiter().GetResult());
    }
}
