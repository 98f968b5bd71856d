using System.Text.Json;

namespace SnapViT.Hub;

/// <summary>What a revision is at the moment: its commit and the names of its files.</summary>
/// <param name="Commit">40 hexadecimal digits.</param>
/// <param name="Files">Paths inside the repository.</param>
internal sealed record HubListing(string Commit, IReadOnlyCollection<string> Files)
{
    /// <summary>Reads the hub's description of a model.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static HubListing Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            Utf8JsonReader reader = new(json);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            string commit = document.RootElement.GetProperty("sha").GetString() ?? "";
            string[] files = [.. document.RootElement.GetProperty("siblings")
                .EnumerateArray()
                .Select(file => file.GetProperty("rfilename").GetString() ?? "")];
            return HubModelName.IsCommit(commit) ? new HubListing(commit, files) : throw new FormatException("no commit");
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException("no description of a model", exception);
        }
    }
}
