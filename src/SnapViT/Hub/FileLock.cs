namespace SnapViT.Hub;

/// <summary>
/// A lock between processes: an exclusively opened file, which on Unix is an advisory lock of the whole file, the kind that the hub's other
/// clients take too. The system frees it when the process dies; the empty file stays, since deleting it would let two owners in.
/// </summary>
internal static class FileLock
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    // EWOULDBLOCK of Linux and of macOS, and ERROR_SHARING_VIOLATION.
    private static readonly int[] HeldByAnother = [11, 35, unchecked((int)0x80070020)];

    /// <summary>Waits until the lock is free and takes it; disposing gives it back.</summary>
    public static async Task<IDisposable> AcquireAsync(string path, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException exception) when (HeldByAnother.Contains(exception.HResult))
            {
                await Task.Delay(PollInterval, cancellation).ConfigureAwait(false);
            }
        }
    }
}
