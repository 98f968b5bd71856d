using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
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

    public int? PatchSize { get; init; }

    /// <summary>Neurons per MLP as a plain MLP counts them; of SwiGLU publishers count otherwise.</summary>
    public int? MlpDim { get; init; }

    public int? ImageSize { get; init; }

    /// <summary>Whether the image size is that of the position table and stands in the file, and is no default.</summary>
    public bool StatesImageSize { get; init; }

    public double? LayerNormEpsilon { get; init; }

    public double? RotaryBase { get; init; }

    /// <summary>The activation by the publisher's name for it, such as <c>gelu_pytorch_tanh</c>.</summary>
    public string? Activation { get; init; }

    /// <summary>How features are made of the tokens, where it is said; null where names decide.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Whether the final norm follows the pooling.</summary>
    public bool NormAfterPool { get; init; }

    /// <summary>Whether the model is one of timm's, whose sizes have one number of heads each.</summary>
    public bool IsOfTimm { get; init; }

    /// <summary>Names of the classes in the classifier's order; empty where they are not said.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    public Preprocessing? Preprocessing { get; init; }

    /// <summary>What the config asks for that cannot be done, by the name of the fact; null for nothing.</summary>
    public string? PreprocessingDoubt { get; init; }

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
        PublishedConfig? images = Read(folder, "preprocessor_config.json", PreprocessorConfig.Parse)
            ?? Read(folder, "processor_config.json", PreprocessorConfig.Parse);
        return images is null ? config : config with
        {
            Preprocessing = images.Preprocessing,
            PreprocessingSource = images.PreprocessingSource,
            PreprocessingDoubt = images.PreprocessingDoubt,
        };
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
            using JsonDocument json = JsonFacts.Parse(File.ReadAllBytes(path));
            PublishedConfig? config = json.RootElement.ValueKind == JsonValueKind.Object ? parse(json.RootElement) : null;
            return config is null ? null : config with
            {
                Source = name,
                PreprocessingSource = config.Preprocessing is null ? "" : name,
                PreprocessingDoubt = config.PreprocessingDoubt is string doubt ? $"{name}: {doubt}" : null,
            };
        }
        catch (FormatException exception)
        {
            throw new CheckpointFormatException(path, exception.Message, innerException: exception);
        }
        catch (Exception exception)
            when (exception is JsonException or InvalidOperationException or ArgumentException
                or SnapViTException and not CheckpointFormatException)
        {
            throw new CheckpointFormatException(
                path,
                $"expected the config of a model, found: {exception.Message.ReplaceLineEndings(" ")}",
                innerException: exception);
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

    /// <summary>transformers' name of an activation.</summary>
    public static string NameOf(Activation activation) => activation switch
    {
        Core.Architecture.Activation.GeluTanh => "gelu_pytorch_tanh",
        Core.Architecture.Activation.QuickGelu => "quick_gelu",
        _ => "gelu",
    };
}
