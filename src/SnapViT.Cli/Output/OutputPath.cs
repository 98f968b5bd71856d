namespace SnapViT.Cli.Output;

/// <summary>Checks before long work that its result can be written.</summary>
internal static class OutputPath
{
    /// <summary>Fails in one line where a file could not be created at that path.</summary>
    /// <exception cref="IOException">There is no such folder, it cannot be written, or the path is a folder.</exception>
    public static void RequireWritable(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        if (Directory.Exists(path))
        {
            throw new IOException($"{path}: expected a file to write, found a folder");
        }

        if (!Directory.Exists(folder))
        {
            throw new IOException($"{path}: expected a folder {folder} to write into, found none");
        }

        string probe = Path.Combine(folder, $".{Path.GetRandomFileName()}.partial");
        try
        {
            File.Create(probe, 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The system's message is of the probe, which nobody asked for.
            throw new IOException(
                $"{path}: expected a folder {folder} that can be written, "
                    + $"found one where no file can be created ({exception.GetType().Name})",
                exception);
        }
    }
}
