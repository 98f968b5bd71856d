namespace SnapViT.Core.Checkpoints;

/// <summary>Writes a file completely or not at all. If writing fails, an existing file stays unchanged.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes beside the target (<c>name.random.partial</c> in the same folder), flushes to the disk and renames over the target.
    /// When anything fails, the partial file is deleted and an existing target stays as it was.
    /// </summary>
    /// <param name="path">The target; its folder must exist.</param>
    /// <param name="write">Writes the content to a seekable stream; what it throws reaches the caller unchanged.</param>
    /// <exception cref="IOException">The folder does not exist, the target is a directory, or the disk refuses the bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string target = Path.GetFullPath(path);
        string? folder = Path.GetDirectoryName(target);
        if (folder is null || Directory.Exists(target))
        {
            throw new IOException($"cannot write {path}: it is a directory");
        }

        if (!Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"cannot write {path}: there is no folder {folder}");
        }

        string partial = $"{target}.{Guid.NewGuid().ToString("N")[..8]}.partial";
        FileStream created = Create(partial, path);
        bool complete = false;
        try
        {
            using (FileStream stream = created)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            Rename(partial, target, path);
            complete = true;
        }
        finally
        {
            if (!complete)
            {
                File.Delete(partial);
            }
        }
    }

    private static FileStream Create(string partial, string path)
    {
        try
        {
            return new FileStream(partial, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Named(path, exception);
        }
    }

    private static void Rename(string partial, string target, string path)
    {
        try
        {
            File.Move(partial, target, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Named(path, exception);
        }
    }

    /// <summary>The same failure, naming the file the caller asked for instead of the partial one.</summary>
    private static Exception Named(string path, Exception cause) => cause is UnauthorizedAccessException
        ? new UnauthorizedAccessException($"cannot write {path}: {cause.Message}", cause)
        : new IOException($"cannot write {path}: {cause.Message}", cause);
}
