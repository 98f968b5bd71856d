using System.Text;
using System.Text.Json;

namespace SnapViT.Loading;

/// <summary>
/// Facts of a JSON object, null where it leaves them out; every number is checked where it is read, and a fault names its key.
/// </summary>
internal static class JsonFacts
{
    /// <summary>The largest size that is believed: far above any model, far below what overflows.</summary>
    private const int LargestCount = 1 << 20;
    private const double LargestNumber = 1e12;
    private const int LongestQuote = 60;

    /// <summary>Reads a text file of JSON with or without a byte-order mark, in UTF-8 or UTF-16.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static JsonDocument Parse(byte[] content)
    {
        ReadOnlySpan<byte> bytes = content;
        return bytes.StartsWith<byte>([0xef, 0xbb, 0xbf]) ? JsonDocument.Parse(content.AsMemory(3))
            : bytes.StartsWith<byte>([0xff, 0xfe]) ? JsonDocument.Parse(Encoding.Unicode.GetString(bytes[2..]))
            : bytes.StartsWith<byte>([0xfe, 0xff]) ? JsonDocument.Parse(Encoding.BigEndianUnicode.GetString(bytes[2..]))
            : JsonDocument.Parse(content);
    }

    public static JsonElement? Find(this JsonElement json, string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    /// <summary>An object inside the object.</summary>
    public static JsonElement? Section(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.Object ? value : throw Fault(key, "an object", value)
        : null;

    /// <summary>A size or a number of things: an integer of at least 1.</summary>
    public static int? Count(this JsonElement json, string key, int least = 1) =>
        json.Find(key) is JsonElement value ? CountOf(value, key, least) : null;

    /// <summary>A finite number above 0.</summary>
    public static double? Positive(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number is > 0 and <= LargestNumber
            ? number
            : throw Fault(key, "a number above 0", value)
        : null;

    public static string? Text(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw Fault(key, "text", value)
        : null;

    public static bool? Flag(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Fault(key, "true or false", value)
        : null;

    /// <summary>Finite numbers, one per channel.</summary>
    public static float[]? Channels(this JsonElement json, string key, bool positive = false)
    {
        if (json.Find(key) is not JsonElement value)
        {
            return null;
        }

        float[] numbers = value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 3
            ? [.. value.EnumerateArray()
                .Select(number => number.ValueKind == JsonValueKind.Number && number.TryGetSingle(out float single) ? single : float.NaN)]
            : [];
        return numbers.Length == 3 && numbers.All(number => float.IsFinite(number) && (!positive || number > 0))
            ? numbers
            : throw Fault(key, positive ? "3 numbers above 0" : "3 numbers", value);
    }

    /// <summary>The side of a square: a number, [side], [height, width], [channels, height, width] or {"height", "width"}.</summary>
    /// <exception cref="FormatException">It is no square, or not of three channels.</exception>
    public static int? Side(this JsonElement json, string key)
    {
        if (json.Find(key) is not JsonElement value)
        {
            return null;
        }

        (JsonElement Height, JsonElement Width)? sides = value.ValueKind switch
        {
            JsonValueKind.Number => (value, value),
            JsonValueKind.Array when value.GetArrayLength() is 1 or 2 => (value[0], value[value.GetArrayLength() - 1]),
            JsonValueKind.Array when value.GetArrayLength() == 3 && CountOf(value[0], key) == 3 => (value[1], value[2]),
            JsonValueKind.Object when value.Find("height") is JsonElement height && value.Find("width") is JsonElement width
                => (height, width),
            _ => null,
        };
        return sides is (JsonElement h, JsonElement w) && CountOf(h, key) is int side && side == CountOf(w, key)
            ? side
            : throw Fault(key, "the side of square images of 3 channels, which are the only ones that can be read", value);
    }

    /// <summary>What is wrong with a fact: its key, what was expected, what was found.</summary>
    public static FormatException Fault(string key, string expected, JsonElement found)
    {
        string text = found.GetRawText().ReplaceLineEndings(" ");
        return new FormatException(
            $"{key}: expected {expected}, found {(text.Length > LongestQuote ? text[..LongestQuote] + "..." : text)}");
    }

    private static int CountOf(JsonElement value, string key, int least = 1) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && number >= least && number <= LargestCount && number == Math.Floor(number)
            ? (int)number
            : throw Fault(key, $"an integer from {least} to {LargestCount}", value);
}
