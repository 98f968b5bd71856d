using SnapViT.Core.Checkpoints;

namespace SnapViT.Hub;

/// <summary>
/// One model's folder in the cache that all clients of the hub share: contents in <c>blobs</c> by ETag, per commit a folder of relative
/// links to them in <c>snapshots</c>, what branches and tags pointed at in <c>refs</c>, names that a commit lacks in <c>.no_exist</c>.
/// </summary>
internal sealed class HubCache(string cacheFolder, HubModelName name)
{
    private readonly string _folderName = $"models--{name.Organisation}--{name.Name}";

    private string Root => Path.Combine(cacheFolder, _folderName);

    /// <summary>Where a content lies once it is complete.</summary>
    public string Blob(string etag) => Path.Combine(Root, "blobs", etag);

    /// <summary>Where a file of a commit is found.</summary>
    public string Pointer(string commit, string file) => Path.Combine(Root, "snapshots", commit, file);

    /// <summary>The lock of a content.</summary>
    public string Lock(string etag) => Path.Combine(cacheFolder, ".locks", _folderName, $"{etag}.lock");

    /// <summary>The file to load of a revision, of which every part is here; null where one is missing.</summary>
    public string? Find(string revision)
    {
        if (Commit(revision) is not string commit || !Directory.Exists(Path.Combine(Root, "snapshots", commit)))
        {
            return null;
        }

        string[] files = [.. Directory.EnumerateFiles(Path.Combine(Root, "snapshots", commit))
            .Where(IsHere)
            .Select(path => Path.GetFileName(path))];
        return ModelFiles.Weights(files) is string weights
            && (!ModelFiles.IsIndex(weights) || ShardIndex.Shards(Pointer(commit, weights)).All(files.Contains))
            ? Pointer(commit, weights)
            : null;
    }

    /// <summary>
    /// Whether nothing is left to ask about a commit: weights are here, and each description is here or known to be none.
    /// </summary>
    public async Task<string?> FindCompleteAsync(string commit, CancellationToken cancellation)
    {
        foreach (string file in ModelFiles.Descriptions.Where(file => !File.Exists(Absence(commit, file))))
        {
            if (!await IsSoundAsync(Pointer(commit, file), cancellation).ConfigureAwait(false))
            {
                return null;
            }
        }

        return Find(commit);
    }

    /// <summary>Whether a path leads to content; a link whose content was deleted does not.</summary>
    public static bool IsHere(string path) => File.Exists(path) && (File.ResolveLinkTarget(path, returnFinalTarget: true)?.Exists ?? true);

    /// <summary>Whether a path leads to content, and to the right one where it is small and its name tells.</summary>
    public static async Task<bool> IsSoundAsync(string path, CancellationToken cancellation) =>
        IsHere(path)
        && await HubFile.IsSoundAsync(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path, cancellation)
            .ConfigureAwait(false);

    /// <summary>Makes a content visible as a file of a commit, in one step.</summary>
    public void Link(string commit, string file, string etag)
    {
        string pointer = Pointer(commit, file);
        string folder = Directory.CreateDirectory(Path.GetDirectoryName(pointer)!).FullName;
        string partial = $"{pointer}.{Guid.NewGuid().ToString("N")[..8]}.partial";
        try
        {
            File.CreateSymbolicLink(partial, Path.GetRelativePath(folder, Path.GetFullPath(Blob(etag))));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Where links are not allowed (Windows without developer mode) clients keep the content itself in the snapshot.
            File.Move(Blob(etag), pointer, overwrite: true);
            return;
        }

        File.Move(partial, pointer, overwrite: true);
    }

    /// <summary>Remembers what a branch or tag points at; a commit needs no memory, and a cache that cannot be written has none.</summary>
    public void Remember(string revision, string commit)
    {
        string path = Path.Combine(Root, "refs", revision);
        IfWritable(() =>
        {
            if (revision != commit && !(File.Exists(path) && File.ReadAllText(path) == commit))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
            }
        });
    }

    /// <summary>Remembers that a commit has no such file, where the cache can be written.</summary>
    public void RememberAbsence(string commit, string file)
    {
        string path = Absence(commit, file);
        IfWritable(() =>
        {
            if (!File.Exists(path))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                // Shared: another process may be remembering the same.
                new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite).Dispose();
            }
        });
    }

    /// <summary>Both memories only save questions: a cache on a read-only disk works without them.</summary>
    private static void IfWritable(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    private string Absence(string commit, string file) => Path.Combine(Root, ".no_exist", commit, file);

    private string? Commit(string revision)
    {
        string path = Path.Combine(Root, "refs", revision);
        string commit = HubModelName.IsCommit(revision) ? revision : File.Exists(path) ? File.ReadAllText(path).Trim() : "";
        return HubModelName.IsCommit(commit) ? commit : null;
    }
}
