using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>
/// Which files of a repository are a model: its weights in the first form of the list that is there, and what describes them.
/// </summary>
internal static partial class ModelFiles
{
    private const string IndexEnd = ".index.json";

    /// <summary>
    /// The forms of weights, safetensors first, in the order of what a folder is opened by
    /// (<see cref="Core.Checkpoints.CheckpointArchive"/>).
    /// </summary>
    private static readonly Func<string, bool>[] Preferred =
    [
        name => name == "model.safetensors",
        name => name == "model.safetensors" + IndexEnd,
        name => OpenClip().IsMatch(name),
        name => name == "pytorch_model.bin",
        name => name == "pytorch_model.bin" + IndexEnd,
        name => name == "open_clip_pytorch_model.bin",
    ];

    /// <summary>The forms of weights for a message.</summary>
    public static string Forms { get; } =
        $"model.safetensors, model.safetensors{IndexEnd}, open_clip_*.safetensors, "
            + $"pytorch_model.bin, pytorch_model.bin{IndexEnd} or open_clip_pytorch_model.bin";

    /// <summary>Read beside the weights where they exist.</summary>
    public static IReadOnlyList<string> Descriptions { get; } =
        ["config.json", "open_clip_config.json", "preprocessor_config.json", "processor_config.json"];

    /// <summary>The file to load: one of weights, or the index of several; null where there is none.</summary>
    /// <param name="names">All names at the top of the repository.</param>
    public static string? Weights(IReadOnlyCollection<string> names) =>
        Preferred.Select(form => names.Where(form).Order(StringComparer.Ordinal).FirstOrDefault()).FirstOrDefault(name => name is not null);

    /// <summary>Whether the file to load is the index of weights in several files.</summary>
    public static bool IsIndex(string weights) => weights.EndsWith(IndexEnd, StringComparison.Ordinal);

    [GeneratedRegex(@"\Aopen_clip_[A-Za-z0-9_]+\.safetensors\z")]
    private static partial Regex OpenClip();
}
