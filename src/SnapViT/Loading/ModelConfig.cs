using System.Text.Json;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>What a model file written here says about itself, as JSON in its metadata: enough to build and feed the model again.</summary>
public sealed record ModelConfig
{
    /// <summary>The metadata key under which the config stands in a safetensors file.</summary>
    public const string MetadataKey = "snapvit.model";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = false,
        PropertyNamingPolicy = new StoredNames(),
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter() },
        IgnoreReadOnlyProperties = true,
        RespectNullableAnnotations = true,
    };

    private static readonly JsonSerializerOptions IndentedJson = new(Json) { WriteIndented = true };

    /// <summary>The unpruned architecture.</summary>
    public required ViTArchitecture Architecture { get; init; }

    /// <summary>Heads that every block keeps, in order.</summary>
    public required IReadOnlyList<int> Heads { get; init; }

    /// <summary>MLP neurons that every block keeps, in order.</summary>
    public required IReadOnlyList<int> Neurons { get; init; }

    /// <summary>How images become the model's input; null when it is not known.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>Names of the classes in the order of the classifier's outputs; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Where the model comes from: source file, its hash, the budget it was cut for.</summary>
    public IReadOnlyDictionary<string, string> Provenance { get; init; } = new Dictionary<string, string>();

    /// <summary>The widths of every block.</summary>
    public SubnetWidths Widths() => new(Heads.Zip(
        Neurons, (heads, neurons) => Architecture.FullBlock.With(Axis.Heads, heads).With(Axis.Neurons, neurons)));

    /// <summary>The config as JSON, in one line or for people to read.</summary>
    public string ToJson(bool indented = false) => JsonSerializer.Serialize(this, indented ? IndentedJson : Json);

    /// <summary>Whether a text calls itself a config of this kind; any other JSON, such as a publisher's, does not.</summary>
    public static bool IsOne(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty(nameof(Architecture), out _);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Reads a config back and checks it.</summary>
    /// <exception cref="FormatException">The text is no config, or a fact in it is impossible.</exception>
    public static ModelConfig FromJson(string json)
    {
        try
        {
            ModelConfig config = JsonSerializer.Deserialize<ModelConfig>(json, Json)
                ?? throw new FormatException("expected a model config, found null");
            if (config.Provenance.FirstOrDefault(fact => fact.Value is null).Key is string empty)
            {
                throw new FormatException($"not a valid model config: Provenance: '{empty}' is null");
            }

            config.Architecture.Validated();
            config.Preprocessing?.Validated();
            if (config.Heads.Count != config.Neurons.Count)
            {
                throw new FormatException(
                    $"expected widths of the same blocks, found {config.Heads.Count} of heads and {config.Neurons.Count} of neurons");
            }

            if (config.ClassNames is { } names && (names.Count != config.Architecture.Classes || names.Any(name => name is null)))
            {
                throw new FormatException(
                    $"ClassNames: expected {config.Architecture.Classes} names, found {names.Count}, or one that is null");
            }

            config.Widths().RequireFit(config.Architecture);
            return config;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException or SnapViTException)
        {
            throw new FormatException($"not a valid model config: {JsonFault.Text(exception)}", exception);
        }
    }
}
