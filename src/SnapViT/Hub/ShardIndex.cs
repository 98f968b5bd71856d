using System.Text.Json;
using System.Text.RegularExpressions;

namespace SnapViT.Hub;

/// <summary>The files that an index of sharded weights names.</summary>
internal static partial class ShardIndex
{
    /// <summary>Reads the distinct names of the shards, in ordinal order.</summary>
    /// <exception cref="HubException">The file is no index, or names anything but files beside it.</exception>
    public static IReadOnlyList<string> Shards(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument json = JsonDocument.Parse(stream);
            string[] names = [.. json.RootElement.GetProperty("weight_map")
                .EnumerateObject()
                .Select(entry => entry.Value.GetString() ?? "")
                .Distinct()
                .Order(StringComparer.Ordinal)];

            // A name becomes a path: one that climbs out of the folder would write and read elsewhere.
            string end = path.EndsWith("safetensors.index.json", StringComparison.Ordinal) ? ".safetensors" : ".bin";
            return names.Length > 0 && names.All(name => Name().IsMatch(name) && name.EndsWith(end, StringComparison.Ordinal))
                ? names
                : throw new FormatException($"names that are no {end} files beside the index");
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new HubException(
                HubErrorKind.Malformed,
                $"{path}: expected an index of shards with a weight_map, "
                    + $"found {(exception is FormatException ? exception.Message : "other content")}",
                exception);
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9_.-]*\z")]
    private static partial Regex Name();
}
