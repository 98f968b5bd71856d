using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Hub;

namespace SnapViT.Cli.Commands;

/// <summary>Models given by their name on the hub.</summary>
internal static class HubModel
{
    private const string Publisher = "timm/";

    /// <summary>
    /// What exists on this machine is a path, and so is what seems to be meant as one; what can only be a name is fetched.
    /// </summary>
    /// <exception cref="FileNotFoundException">A path is meant, and there is nothing.</exception>
    /// <exception cref="HubException">The hub does not give the model.</exception>
    public static string Local(ParseResult parsed, string model, CancellationToken cancellation)
    {
        HubModelName? name = Named(model);
        if (name is null)
        {
            return model;
        }

        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        using HubClient client = new(HubEnvironment.Read(Environment.GetEnvironmentVariable, home));
        try
        {
            return ProgressDisplay.Run(parsed, progress => client.FetchAsync(name, progress, cancellation).GetAwaiter().GetResult());
        }
        catch (HubException exception) when (!HubModelName.IsExplicit(model)
            && exception.Fault is HubErrorKind.ModelNotFound or HubErrorKind.Unreachable or HubErrorKind.Offline)
        {
            throw new HubException(exception.Fault, $"{exception.Message}; there is no file or folder {model} here either", exception);
        }
    }

    /// <summary>The name that a text is; null for a path to something that exists.</summary>
    /// <exception cref="FileNotFoundException">A path is meant, and there is nothing.</exception>
    /// <exception cref="SnapViTException">A name or an address is meant, and it is none of a model.</exception>
    public static HubModelName? Named(string model)
    {
        if (HubModelName.IsExplicit(model))
        {
            return HubModelName.TryParse(model, out HubModelName? named) ? named : throw new SnapViTException(
                ErrorKind.Hub,
                $"{model}: expected a model as in hf-hub:org/name, hf-hub:org/name@revision, https://huggingface.co/org/name "
                    + "or https://huggingface.co/org/name/tree/revision, found another address");
        }

        if (Path.Exists(model))
        {
            return null;
        }

        bool isName = HubModelName.TryParse(InTable(model) ? Publisher + model : model, out HubModelName? name);
        bool isRemote = isName && !IsBelowFolder(model);
        string? near = isRemote ? InNearFolder(model) : Nearest.Path(model);
        if (isRemote && near is null)
        {
            return name;
        }

        string meant = near is null ? "" : $"; did you mean {near}?";
        string onHub = isName ? $" (the model of that name on the hub is hf-hub:{name})" : "";
        throw new FileNotFoundException($"cannot read {model}: there is no such file{meant}{onHub}", model);
    }

    /// <summary>A path whose folder was mistyped; null for none.</summary>
    private static string? InNearFolder(string model) =>
        Path.GetDirectoryName(model) is { Length: > 0 } folder
            && Nearest.Path(folder) is string near
            && Path.Combine(near, Path.GetFileName(model)) is string path
            && Path.Exists(path) ? path : null;

    /// <summary>Whether it is a name without its publisher, which is taken for timm's where the table of published models has it.</summary>
    private static bool InTable(string model) =>
        !model.Contains('/', StringComparison.Ordinal) && KnownModels.Named(Publisher + model.Split('@')[0]) is not null;

    private static bool IsBelowFolder(string model) => Path.GetDirectoryName(model) is { Length: > 0 } folder && Directory.Exists(folder);
}
