using System.Text.Json;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
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

    /// <summary>Query and key dimensions of a head that every block keeps, in order; null where all blocks keep all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? QueryKeyDims { get; init; }

    /// <summary>Value dimensions of a head that every block keeps, in order; null where all blocks keep all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? ValueDims { get; init; }

    /// <summary>Tokens that leave every block, in order; null where all blocks keep all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? Tokens { get; init; }

    /// <summary>
    /// The rotary pairs that every block keeps, in the order of its queries and keys, whose two dimensions stand side by side; null where
    /// all dimensions lie as published.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<IReadOnlyList<int>>? RotaryPairs { get; init; }

    /// <summary>How images become the model's input; null when it is not known.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>Names of the classes in the order of the classifier's outputs; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Where the model comes from: source file, its hash, the budget it was cut for.</summary>
    public IReadOnlyDictionary<string, string> Provenance { get; init; } = new Dictionary<string, string>();

    /// <summary>The config of a model of those widths, of which nothing else is known.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">What every block keeps.</param>
    public static ModelConfig Of(ViTArchitecture architecture, SubnetWidths widths) => Of(architecture, widths, rotaryPairs: null);

    /// <summary>The config of a model whose rotary pairs are sorted so; null where they lie as published.</summary>
    internal static ModelConfig Of(ViTArchitecture architecture, SubnetWidths widths, IReadOnlyList<IReadOnlyList<int>>? rotaryPairs)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(widths);
        return new ModelConfig
        {
            Architecture = architecture,
            Heads = All(Axis.Heads),
            Neurons = All(Axis.Neurons),
            QueryKeyDims = Unless(Axis.QueryKeyDims),
            ValueDims = Unless(Axis.ValueDims),
            Tokens = Unless(Axis.Tokens),
            RotaryPairs = rotaryPairs is null ? null : [.. rotaryPairs.Zip(widths, FirstPairs)],
        };

        static int[] FirstPairs(IReadOnlyList<int> pairs, BlockWidths block) => [.. pairs.Take(block[Axis.QueryKeyDims] / 2)];

        int[] All(Axis axis) => [.. widths.Select(block => block[axis])];
        int[]? Unless(Axis axis) => widths.All(block => block[axis] == architecture.FullBlock[axis]) ? null : All(axis);
    }

    /// <summary>The widths of every block.</summary>
    public SubnetWidths Widths()
    {
        BlockWidths full = Architecture.FullBlock;
        return new SubnetWidths(Enumerable.Range(0, Heads.Count).Select(block => Kept.Aggregate(
            full, (widths, kept) => widths.With(kept.Axis, kept.Widths?[block] ?? full[kept.Axis]))));
    }

    private IEnumerable<(Axis Axis, IReadOnlyList<int>? Widths)> Kept =>
    [
        (Axis.Heads, Heads), (Axis.QueryKeyDims, QueryKeyDims), (Axis.ValueDims, ValueDims), (Axis.Tokens, Tokens), (Axis.Neurons, Neurons),
    ];

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
            foreach ((Axis axis, IReadOnlyList<int>? kept) in config.Kept)
            {
                if (kept is not null && kept.Count != config.Heads.Count)
                {
                    throw new FormatException(
                        $"expected widths of the same blocks, found {config.Heads.Count} of heads and {kept.Count} of "
                            + AxisTable.Of(axis).Label);
                }
            }

            if (config.ClassNames is { } names && (names.Count != config.Architecture.Classes || names.Any(name => name is null)))
            {
                throw new FormatException(
                    $"ClassNames: expected {config.Architecture.Classes} names, found {names.Count}, or one that is null");
            }

            config.Widths().RequireFit(config.Architecture);
            return RotarySpec.PairFault(config.Architecture, config.Widths(), config.RotaryPairs) is string fault
                ? throw new FormatException($"not a valid model config: {fault}")
                : config;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException or SnapViTException)
        {
            throw new FormatException($"not a valid model config: {JsonFault.Text(exception)}", exception);
        }
    }
}
