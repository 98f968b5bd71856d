namespace SnapViT.Core.Tests.Checkpoints;

/// <summary>A folder of one test, deleted with all it holds.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("snapvit-checkpoints-");

    public string Root => _folder.FullName;

    public string File(string name) => Path.Combine(Root, name);

    public string Put(string name, ReadOnlySpan<byte> content)
    {
        string path = File(name);
        System.IO.File.WriteAllBytes(path, content);
        return path;
    }

    public string[] Names() => [.. _folder.EnumerateFileSystemInfos().Select(info => info.Name).Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Delete(recursive: true);
}
