using System.Text.Json;

namespace SnapViT.Loading;

/// <summary>Facts of a JSON object, null where it leaves them out.</summary>
internal static class JsonFacts
{
    public static JsonElement? Find(this JsonElement json, string key) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static int? Integer(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw new FormatException($"{key} is no integer")
        : null;

    public static double? Number(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble()) ? value.GetDouble() : throw new FormatException($"{key} is no number")
        : null;

    public static string? Text(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw new FormatException($"{key} is no text")
        : null;

    public static bool? Flag(this JsonElement json, string key) => json.Find(key)?.GetBoolean();

    public static float[]? Numbers(this JsonElement json, string key) => json.Find(key) is JsonElement value
        ? [.. value.EnumerateArray().Select(number => number.GetSingle())]
        : null;
}
