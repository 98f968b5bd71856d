namespace SnapViT.Hub;

/// <summary>What is asked of a hub: a model, or one of its files at a commit.</summary>
/// <param name="Name">The model.</param>
/// <param name="Commit">The commit of a file; null for the model itself.</param>
/// <param name="File">The file; null for the model itself.</param>
internal sealed record HubRequest(HubModelName Name, string? Commit = null, string? File = null)
{
    /// <summary>The address below an endpoint. A slash inside a revision is escaped, so that it stays one segment.</summary>
    public Uri At(Uri endpoint)
    {
        string start = endpoint.AbsoluteUri.TrimEnd('/');
        return new Uri(File is null
            ? $"{start}/api/models/{Name.Repository}/revision/{Uri.EscapeDataString(Name.Revision)}"
            : $"{start}/{Name.Repository}/resolve/{Commit}/{Uri.EscapeDataString(File)}");
    }

    /// <summary>How a message names it.</summary>
    public override string ToString() => File is null ? Name.ToString() : $"{Name}: {File}";
}
