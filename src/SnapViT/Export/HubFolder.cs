using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Models;

namespace SnapViT.Export;

/// <summary>
/// A model as a folder that model hubs take: <c>model.safetensors</c>, <c>config.json</c> and a model card, <c>README.md</c>.
/// </summary>
internal static class HubFolder
{
    /// <summary>Writes the folder; it is complete or not there.</summary>
    /// <param name="folder">The folder to write: new or empty.</param>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="config">What the files say about it; its architecture and widths must be the model's.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public static IReadOnlyList<string> Save(string folder, VisionTransformer model, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        string[] names = ["model.safetensors", "config.json", "README.md"];
        AtomicFolder.Write(folder, partial =>
        {
            string[] paths = [.. names.Select(name => Path.Combine(partial, name))];
            ModelFile.Save(paths[0], model, config);
            File.WriteAllText(paths[1], config.ToJson(indented: true) + "\n");
            File.WriteAllText(paths[2], ModelCard.Render(config));
        });
        return [.. names.Select(name => Path.Combine(folder, name))];
    }
}
