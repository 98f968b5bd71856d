using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Planning;

/// <summary>
/// What a forward pass takes on one machine, as a sum: a fixed time, and of every block one time for its heads and one for its neurons.
/// The blocks of a model have one shape, so that one curve of an axis serves them all. Fewer tokens and fewer dimensions of the heads take
/// the share that their curves say.
/// </summary>
public sealed record LatencyTable
{
    private readonly PerAxis<LatencyCurve> _curves;

    /// <summary>Puts a table together.</summary>
    /// <param name="conditions">What it was measured under.</param>
    /// <param name="fixedNanoseconds">Time of a model whose blocks keep nothing, 0 or more.</param>
    /// <param name="curves">
    /// For every axis nanoseconds of one block over its units, 0..the axis's count: of heads and neurons what they take, of tokens what a
    /// whole block takes with so many, of dimensions what attention takes with so many.
    /// </param>
    /// <param name="mergingNanoseconds">What merging tokens takes in a block, 0 or more.</param>
    /// <exception cref="ArgumentException">
    /// A time is negative or not finite, an axis has no curve, or a curve ends elsewhere than at the architecture's width.
    /// </exception>
    internal LatencyTable(
        LatencyConditions conditions,
        double fixedNanoseconds,
        IReadOnlyDictionary<Axis, LatencyCurve> curves,
        double mergingNanoseconds = 0)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        ArgumentNullException.ThrowIfNull(curves);
        if (new[] { fixedNanoseconds, mergingNanoseconds }.Any(time => !double.IsFinite(time) || time < 0))
        {
            throw new ArgumentException(
                $"latency table: expected fixed times of 0 or more, found {fixedNanoseconds} and {mergingNanoseconds}");
        }

        ViTArchitecture a = conditions.Architecture;
        foreach (AxisFacts row in AxisTable.Rows)
        {
            int? largest = curves.GetValueOrDefault(row.Axis)?.Largest;
            if (largest != row.Count(a))
            {
                throw new ArgumentException(
                    $"latency table: expected a curve up to {row.Count(a)} {row.Label}, found {largest?.ToString() ?? "none"}");
            }
        }

        (Conditions, FixedNanoseconds, MergingNanoseconds) = (conditions, fixedNanoseconds, mergingNanoseconds);
        _curves = PerAxis<LatencyCurve>.Of(row => curves[row.Axis]);
    }

    /// <summary>What it was measured under.</summary>
    public LatencyConditions Conditions { get; }

    /// <summary>Time of a model whose blocks keep nothing.</summary>
    public double FixedNanoseconds { get; }

    /// <summary>What merging tokens takes in a block.</summary>
    public double MergingNanoseconds { get; }

    /// <summary>Nanoseconds of one block over the units of an axis.</summary>
    internal LatencyCurve this[Axis axis] => _curves.Get(axis);

    /// <summary>Nanoseconds of one forward pass of a model with given widths.</summary>
    /// <param name="widths">Widths of every block.</param>
    /// <exception cref="ArgumentException">The widths are of another architecture.</exception>
    public long Predict(SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(widths);
        widths.RequireFit(Conditions.Architecture);
        return (long)Math.Round(FixedNanoseconds + Enumerable.Range(0, widths.Count).Sum(block => Block(widths, block)));
    }

    /// <summary>SHA-256 of its times, in hexadecimal.</summary>
    internal string Hash() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(' ', AxisTable.Rows
        .SelectMany(row => this[row.Axis].Points.SelectMany(point => new[] { point.Width, point.Nanoseconds }))
        .Concat([FixedNanoseconds, MergingNanoseconds])
        .Select(number => number.ToString("R", CultureInfo.InvariantCulture))))));

    /// <summary>The share of its time that a part of a block takes with so many units of an axis that it is not counted in.</summary>
    internal double Share(Axis axis, int width)
    {
        LatencyCurve curve = this[axis];
        double whole = curve.At(curve.Largest);
        return whole > 0 ? curve.At(width) / whole : 1;
    }

    private double Block(SubnetWidths widths, int block)
    {
        ViTArchitecture a = Conditions.Architecture;
        BlockWidths kept = widths[block];
        int into = widths.TokensInto(a, block), left = kept[Axis.Tokens];

        // The last block gives the pooled tokens alone whatever the widths say, so that it was measured so.
        bool isPooled = block == widths.Count - 1 && a.PooledTokens > 0;
        double attention = this[Axis.Heads].At(kept[Axis.Heads])
            * Share(Axis.QueryKeyDims, kept[Axis.QueryKeyDims]) * Share(Axis.ValueDims, kept[Axis.ValueDims]) * Share(Axis.Tokens, into);
        double mlp = this[Axis.Neurons].At(kept[Axis.Neurons]) * Share(Axis.Tokens, isPooled ? into : left);
        return attention + mlp + (left < into && !isPooled ? MergingNanoseconds : 0);
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

    /// <summary>The conditions but the model, as text.</summary>
    internal string Describe() => string.Create(
        CultureInfo.InvariantCulture, $"batch {Batch}, {Precision}, {Device}, {Threads} threads, {Machine}, {Runtime}");

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
    /// <summary>Of tables since 3, images of a batch were computed side by side.</summary>
    private const int Version = 3;
    private const string VersionKey = "snapvit_latency";
    private const string ConditionsKey = "conditions";
    private const string FixedKey = "fixed_nanoseconds";
    private const string MergingKey = "merging_nanoseconds";

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

    private static HashSet<string> Keys { get; } =
        [VersionKey, ConditionsKey, FixedKey, MergingKey, .. AxisTable.Rows.Select(row => row.StoredCurve)];

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
            [MergingKey] = table.MergingNanoseconds,
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
                AxisTable.Rows.ToDictionary(row => row.Axis, row => Curve(content, row.StoredCurve)),
                Take<double>(content, MergingKey));
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
