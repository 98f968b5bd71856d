namespace SnapViT.Core.Checkpoints;

/// <summary>Writes folders of files that belong together: all of them are there, or none.</summary>
internal static class AtomicFolder
{
    /// <summary>
    /// Lets a folder be filled beside the target (<c>name.random.partial</c>) and renames it. When anything fails, the partial folder is
    /// deleted.
    /// </summary>
    /// <param name="path">The target: it does not exist yet, or is an empty folder; the folder it stands in must exist.</param>
    /// <param name="fill">Fills the folder whose path it is given; what it throws reaches the caller unchanged.</param>
    /// <exception cref="IOException">The target exists and is not empty, there is no folder for it, or the disk refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static void Write(string path, Action<string> fill)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(fill);
        RequireFree(path);
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string partial = $"{target}.{Guid.NewGuid().ToString("N")[..8]}.partial";
        Directory.CreateDirectory(partial);
        bool complete = false;
        try
        {
            fill(partial);
            if (Directory.Exists(target))
            {
                Directory.Delete(target);
            }

            Directory.Move(partial, target);
            complete = true;
        }
        finally
        {
            if (!complete)
            {
                Directory.Delete(partial, recursive: true);
            }
        }
    }

    /// <summary>Checks that a folder could be written, before long work.</summary>
    /// <exception cref="IOException">The target exists and is not empty, or there is no folder for it.</exception>
    public static void RequireFree(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (File.Exists(target) || (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any()))
        {
            throw new IOException(
                $"{path}: expected a folder that does not exist yet or is empty, found {(File.Exists(target) ? "a file" : "files in it")}");
        }

        if (Path.GetDirectoryName(target) is not string parent || !Directory.Exists(parent))
        {
            throw new DirectoryNotFoundException($"{path}: expected a folder {Path.GetDirectoryName(target)} to write into, found none");
        }
    }
}
