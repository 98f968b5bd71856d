using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>What the config files beside a published checkpoint say of it: every fact null that they leave open.</summary>
internal sealed record PublishedConfig
{
    private const int MaxLength = 4 << 20;

    /// <summary>The file that says it; empty for none.</summary>
    public string Source { get; init; } = "";

    public int? Heads { get; init; }

    public int? Width { get; init; }

    public int? Depth { get; init; }

    public int? ImageSize { get; init; }

    public double? LayerNormEpsilon { get; init; }

    public double? RotaryBase { get; init; }

    /// <summary>The activation by the publisher's name for it, such as <c>gelu_pytorch_tanh</c>.</summary>
    public string? Activation { get; init; }

    /// <summary>Whether features are the mean of the patch tokens though there is a class token.</summary>
    public bool AveragesPatches { get; init; }

    public Preprocessing? Preprocessing { get; init; }

    /// <summary>The file that the preprocessing is from.</summary>
    public string PreprocessingSource { get; init; } = "";

    /// <summary>Reads the config files beside a checkpoint; a file that is no model's config is passed over.</summary>
    /// <param name="checkpoint">The file with the weights.</param>
    /// <exception cref="CheckpointFormatException">A config is damaged, or says something impossible.</exception>
    public static PublishedConfig NextTo(string checkpoint)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(checkpoint)) ?? "";
        PublishedConfig config = Read(folder, "config.json", TransformersConfig.Parse)
            ?? Read(folder, "config.json", TimmConfig.Parse)
            ?? Read(folder, "open_clip_config.json", OpenClipConfig.Parse)
            ?? new PublishedConfig();
        return Read(folder, "preprocessor_config.json", PreprocessorConfig.Parse) is PublishedConfig images
            ? config with { Preprocessing = images.Preprocessing, PreprocessingSource = images.PreprocessingSource }
            : config;
    }

    private static PublishedConfig? Read(string folder, string name, Func<JsonElement, PublishedConfig?> parse)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > MaxLength)
        {
            throw new CheckpointFormatException(path, $"expected a config of at most {MaxLength} bytes, found more");
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            PublishedConfig? config = json.RootElement.ValueKind == JsonValueKind.Object ? parse(json.RootElement) : null;
            return config is null ? null : config with { Source = name, PreprocessingSource = config.Preprocessing is null ? "" : name };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or ArgumentException or KeyNotFoundException)
        {
            throw new CheckpointFormatException(path, $"expected the config of a model, found: {exception.Message.ReplaceLineEndings(" ")}", innerException: exception);
        }
    }

    /// <summary>The activation of a publisher's name.</summary>
    /// <returns>Null for one that no model here has.</returns>
    public static Activation? ActivationOf(string name) => name switch
    {
        "gelu" or "gelu_python" => Core.Architecture.Activation.GeluErf,
        "gelu_pytorch_tanh" or "gelu_tanh" or "gelu_new" or "gelu_fast" => Core.Architecture.Activation.GeluTanh,
        "quick_gelu" => Core.Architecture.Activation.QuickGelu,
        _ => null,
    };
}
