using SnapViT.Hub;

namespace SnapViT.Tests.Hub;

/// <summary>A cache of its own for one test, and clients of it that wait for nothing.</summary>
internal sealed class TemporaryCache : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("snapvit-hub-").FullName;

    public string Model => Path.Combine(Root, "models--org--model");

    public static HubModelName Name { get; } = Named(FakeHub.Repository);

    public static HubModelName Named(string text) => HubModelName.TryParse(text, out HubModelName? name) ? name : throw new ArgumentException(text);

    public HubOptions Options(Uri hub) => new() { CacheFolder = Root, Endpoint = hub, RetryDelays = [TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero] };

    public string Blob(byte[] content) => Path.Combine(Model, "blobs", FakeHub.Sha256(content));

    /// <summary>Every path in the model's folder that is no directory.</summary>
    public string[] Files() => Directory.Exists(Model)
        ? [.. Directory.EnumerateFiles(Model, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Model, path)).Order(StringComparer.Ordinal)]
        : [];

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
