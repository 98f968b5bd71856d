using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Planning;

/// <summary>
/// What a forward pass takes on one machine, as a sum: a fixed time, and of every block one time for each axis. The blocks of a model have
/// one shape, so that one curve of an axis serves them all.
/// </summary>
public sealed record LatencyTable
{
    private readonly PerAxis<LatencyCurve> _curves;

    /// <summary>Puts a table together.</summary>
    /// <param name="conditions">What it was measured under.</param>
    /// <param name="fixedNanoseconds">Time of a model whose blocks keep nothing, 0 or more.</param>
    /// <param name="curves">For every axis the time of one block's units over their number, 0..the axis's count.</param>
    /// <exception cref="ArgumentException">
    /// The fixed time is negative or not finite, an axis has no curve, or a curve ends elsewhere than at the architecture's width.
    /// </exception>
    internal LatencyTable(LatencyConditions conditions, double fixedNanoseconds, IReadOnlyDictionary<Axis, LatencyCurve> curves)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        ArgumentNullException.ThrowIfNull(curves);
        if (!double.IsFinite(fixedNanoseconds) || fixedNanoseconds < 0)
        {
            throw new ArgumentException($"latency table: expected a fixed time of 0 or more, found {fixedNanoseconds}");
        }

        ViTArchitecture a = conditions.Architecture;
        if (AxisTable.Rows.Any(row => curves.GetValueOrDefault(row.Axis)?.Largest != row.Count(a)))
        {
            throw new ArgumentException(
                "latency table: expected curves up to "
                + $"{string.Join(" and ", AxisTable.Rows.Select(row => $"{row.Count(a)} {row.Label}"))}, found "
                + string.Join(" and ", AxisTable.Rows.Select(row => curves.GetValueOrDefault(row.Axis)?.Largest.ToString() ?? "none")));
        }

        (Conditions, FixedNanoseconds, _curves) = (conditions, fixedNanoseconds, PerAxis<LatencyCurve>.Of(row => curves[row.Axis]));
    }

    /// <summary>What it was measured under.</summary>
    public LatencyConditions Conditions { get; }

    /// <summary>Time of a model whose blocks keep nothing.</summary>
    public double FixedNanoseconds { get; }

    /// <summary>Time of one block's units of an axis over their number.</summary>
    internal LatencyCurve this[Axis axis] => _curves.Get(axis);

    /// <summary>Nanoseconds of one forward pass of a model with given widths.</summary>
    /// <param name="widths">Widths of every block.</param>
    /// <exception cref="ArgumentException">The widths are of another architecture.</exception>
    public long Predict(SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(widths);
        widths.RequireFit(Conditions.Architecture);
        return (long)Math.Round(FixedNanoseconds + widths.Sum(Block));
    }

    private double Block(BlockWidths widths)
    {
        double nanoseconds = 0;
        foreach (AxisFacts row in AxisTable.Rows)
        {
            nanoseconds += this[row.Axis].At(widths[row.Axis]);
        }

        return nanoseconds;
    }
}

/// <summary>What the units of one axis take in one block, over their number: a line through measured points that never falls.</summary>
internal sealed class LatencyCurve
{
    private readonly (int Width, double Nanoseconds)[] _points;

    /// <summary>Takes points that already never fall.</summary>
    /// <param name="points">Widths from 0 on, each larger than the one before, with nanoseconds of 0 or more.</param>
    /// <exception cref="ArgumentException">
    /// No point at width 0, widths out of order, or a time that is negative, not finite or falls.
    /// </exception>
    public LatencyCurve(IEnumerable<(int Width, double Nanoseconds)> points)
    {
        _points = [.. points];
        bool ordered = _points.Zip(_points.Skip(1)).All(
            pair => pair.First.Width < pair.Second.Width && pair.First.Nanoseconds <= pair.Second.Nanoseconds);
        bool positive = _points.All(point => double.IsFinite(point.Nanoseconds) && point.Nanoseconds >= 0);
        if (_points.Length == 0 || _points[0].Width != 0 || !ordered || !positive)
        {
            throw new ArgumentException(
                "latency curve: expected growing widths from 0 on with finite times of 0 or more that never fall, found others");
        }
    }

    /// <summary>The points.</summary>
    public IReadOnlyList<(int Width, double Nanoseconds)> Points => _points;

    /// <summary>The largest width that it reaches.</summary>
    public int Largest => _points[^1].Width;

    /// <summary>
    /// The curve nearest to measured times, by least squares, that never falls: noise, and kernels that are slower at an odd width than at
    /// a larger even one, would otherwise make a smaller model seem dearer.
    /// </summary>
    /// <param name="points">Growing widths from 0 on with nanoseconds; negative ones count as 0.</param>
    public static LatencyCurve Fit(IEnumerable<(int Width, double Nanoseconds)> points)
    {
        (int Width, double Nanoseconds)[] measured = [.. points];
        Stack<(double Mean, int Count)> levels = new();
        foreach ((_, double nanoseconds) in measured)
        {
            (double Mean, int Count) level = (Math.Max(0, nanoseconds), 1);
            while (levels.TryPeek(out (double Mean, int Count) before) && before.Mean > level.Mean)
            {
                levels.Pop();
                int count = before.Count + level.Count;
                level = (((before.Mean * before.Count) + (level.Mean * level.Count)) / count, count);
            }

            levels.Push(level);
        }

        double[] fitted = [.. levels.Reverse().SelectMany(level => Enumerable.Repeat(level.Mean, level.Count))];
        return new LatencyCurve(measured.Zip(fitted, (point, time) => (point.Width, time)));
    }

    /// <summary>Nanoseconds at a width, 0..<see cref="Largest"/>, interpolated between the points.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The width is outside.</exception>
    public double At(int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, Largest);
        int low = 0, high = _points.Length - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _points[middle].Width >= width ? (low, middle) : (middle + 1, high);
        }

        (int right, double atRight) = _points[low];
        if (right == width)
        {
            return atRight;
        }

        (int left, double atLeft) = _points[low - 1];
        return atLeft + ((atRight - atLeft) * (width - left) / (right - left));
    }
}

/// <summary>What a latency was measured under: under other conditions it says nothing.</summary>
public sealed record LatencyConditions
{
    /// <summary>The unpruned architecture; times do not depend on what is in the weights.</summary>
    public required ViTArchitecture Architecture { get; init; }

    /// <summary>Precision of the matrix products, <c>fp32</c> or <c>bf16</c>.</summary>
    public required string Precision { get; init; }

    /// <summary>Where the network runs, such as <c>cpu</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Threads of the matrix products.</summary>
    public required int Threads { get; init; }

    /// <summary>Images per forward pass.</summary>
    public required int Batch { get; init; }

    /// <summary>Processor and system, as text.</summary>
    public required string Machine { get; init; }

    /// <summary>Version of what computes, as text.</summary>
    public required string Runtime { get; init; }

    /// <summary>The first condition in which the other differs from this one, as <c>batch 8, not 1</c>; null where none does.</summary>
    /// <param name="other">The conditions that are expected.</param>
    public string? DifferenceTo(LatencyConditions other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (string Name, object Here, object There)[] facts =
        [
            ("batch", Batch, other.Batch), ("precision", Precision, other.Precision), ("device", Device, other.Device),
            ("threads", Threads, other.Threads), ("machine", Machine, other.Machine), ("runtime", Runtime, other.Runtime),
        ];
        (string name, object here, object there) = facts.FirstOrDefault(fact => !fact.Here.Equals(fact.There));
        return name is not null ? $"{name} {here}, not {there}" : Architecture == other.Architecture ? null : "another architecture";
    }
}

/// <summary>Latency tables as JSON files.</summary>
internal static class LatencyTableFile
{
    private const int Version = 1;
    private const string VersionKey = "snapvit_latency";
    private const string ConditionsKey = "conditions";
    private const string FixedKey = "fixed_nanoseconds";

    /// <summary>Far more than any table takes.</summary>
    private const long MostBytes = 1 << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = new StoredNames(JsonNamingPolicy.SnakeCaseLower),
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        IgnoreReadOnlyProperties = true,
        Converters = { new JsonStringEnumConverter() },
        WriteIndented = true,
    };

    private static HashSet<string> Keys { get; } = [VersionKey, ConditionsKey, FixedKey, .. AxisTable.Rows.Select(row => row.StoredCurve)];

    /// <summary>Writes a table, complete or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Save(string path, LatencyTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        JsonObject content = new()
        {
            [VersionKey] = Version,
            [ConditionsKey] = JsonSerializer.SerializeToNode(table.Conditions, Json),
            [FixedKey] = table.FixedNanoseconds,
        };
        foreach (AxisFacts row in AxisTable.Rows)
        {
            content[row.StoredCurve] = JsonSerializer.SerializeToNode(
                table[row.Axis].Points.ToDictionary(point => point.Width, point => point.Nanoseconds), Json);
        }

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
            JsonObject content = JsonSerializer.Deserialize<JsonObject>(stream, Json) ?? throw new JsonException("found null");
            int version = Take<int>(content, VersionKey);
            if (version != Version)
            {
                throw new CheckpointFormatException(path, $"expected a latency table of version {Version}, found {version}");
            }

            if (content.FirstOrDefault(pair => !Keys.Contains(pair.Key)).Key is string unknown)
            {
                throw new JsonException($"found an unknown '{unknown}'");
            }

            LatencyConditions conditions = Take<LatencyConditions>(content, ConditionsKey);
            conditions.Architecture.Validated();
            return new LatencyTable(
                conditions,
                Take<double>(content, FixedKey),
                AxisTable.Rows.ToDictionary(row => row.Axis, row => Curve(content, row.StoredCurve)));
        }
        catch (Exception exception) when (
            exception is JsonException or ArgumentException or InvalidOperationException
                or SnapViTException and not CheckpointFormatException)
        {
            throw new CheckpointFormatException(path, $"no valid latency table: {JsonFault.Text(exception)}", innerException: exception);
        }
    }

    private static T Take<T>(JsonObject content, string key)
        where T : notnull =>
        content[key] is JsonNode node && node.Deserialize<T>(Json) is T value
            ? value
            : throw new JsonException($"expected '{key}', found nothing");

    private static LatencyCurve Curve(JsonObject content, string key) =>
        new(new SortedDictionary<int, double>(Take<Dictionary<int, double>>(content, key)).Select(point => (point.Key, point.Value)));
}
