using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>Which files of a repository are a model: its weights in the first form of the list that is there, and what describes them.</summary>
internal static partial class ModelFiles
{
    /// <summary>The index of weights in several files.</summary>
    public const string Index = "model.safetensors.index.json";

    private static readonly string[] Preferred = ["model.safetensors", Index];

    /// <summary>Read beside the weights where they exist.</summary>
    public static IReadOnlyList<string> Descriptions { get; } = ["config.json", "preprocessor_config.json"];

    /// <summary>The file to load: one of weights, or the index; null where there is none.</summary>
    /// <param name="names">All names at the top of the repository.</param>
    public static string? Weights(IReadOnlyCollection<string> names) =>
        Preferred.FirstOrDefault(names.Contains)
        ?? names.Where(name => OpenClip().IsMatch(name)).Order(StringComparer.Ordinal).FirstOrDefault()
        ?? names.FirstOrDefault(name => name == "pytorch_model.bin");

    [GeneratedRegex(@"\Aopen_clip_[A-Za-z0-9_]+\.safetensors\z")]
    private static partial Regex OpenClip();
}
