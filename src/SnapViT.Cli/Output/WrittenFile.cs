namespace SnapViT.Cli.Output;

/// <summary>A file that was written.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">How large it is.</param>
internal sealed record WrittenFile(string Path, long Bytes)
{
    public static WrittenFile Of(string path) => new(path, new FileInfo(path).Length);
}
