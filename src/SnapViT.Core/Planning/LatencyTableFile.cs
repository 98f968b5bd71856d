using System.Text.Json;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Planning;

/// <summary>Latency tables as JSON files.</summary>
public static class LatencyTableFile
{
    private const int Version = 1;

    /// <summary>Far more than any table takes.</summary>
    private const long MostBytes = 1 << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = new StoredNames(JsonNamingPolicy.SnakeCaseLower),
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectRequiredConstructorParameters = true,
        IgnoreReadOnlyProperties = true,
        Converters = { new JsonStringEnumConverter() },
        WriteIndented = true,
    };

    /// <summary>Writes a table, complete or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Save(string path, LatencyTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        Content content = new(Version, table.Conditions, table.FixedNanoseconds, Points(table.Attention), Points(table.Mlp));
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, content, Json));
    }

    /// <summary>Reads a table back and checks it.</summary>
    /// <exception cref="CheckpointFormatException">It is damaged, or no latency table.</exception>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    public static LatencyTable Load(string path)
    {
        using FileStream stream = File.OpenRead(path);
        if (stream.Length > MostBytes)
        {
            throw new CheckpointFormatException(path, $"expected a latency table of at most {MostBytes} bytes, found {stream.Length}");
        }

        try
        {
            Content content = JsonSerializer.Deserialize<Content>(stream, Json) ?? throw new JsonException("found null");
            if (content.Version != Version)
            {
                throw new CheckpointFormatException(path, $"expected a latency table of version {Version}, found {content.Version}");
            }

            content.Conditions.Architecture.Validated();
            return new LatencyTable(content.Conditions, content.FixedNanoseconds, Curve(content.AttentionNanoseconds), Curve(content.MlpNanoseconds));
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new CheckpointFormatException(path, $"no valid latency table: {exception.Message}", innerException: exception);
        }
    }

    private static SortedDictionary<int, double> Points(LatencyCurve curve) => new(curve.Points.ToDictionary(point => point.Width, point => point.Nanoseconds));

    private static LatencyCurve Curve(SortedDictionary<int, double> points) => new(points.Select(point => (point.Key, point.Value)));

    private sealed record Content(
        [property: JsonPropertyName("snapvit_latency")] int Version,
        LatencyConditions Conditions,
        double FixedNanoseconds,
        SortedDictionary<int, double> AttentionNanoseconds,
        SortedDictionary<int, double> MlpNanoseconds);
}
