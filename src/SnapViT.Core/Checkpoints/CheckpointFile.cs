using Microsoft.Win32.SafeHandles;

namespace SnapViT.Core.Checkpoints;

/// <summary>A file open for reading at any position, from any thread.</summary>
internal sealed class CheckpointFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private CheckpointFile(string path, SafeFileHandle handle, long length)
    {
        Path = path;
        _handle = handle;
        Length = length;
    }

    /// <summary>The file, as the caller named it.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">The path is a directory or cannot be read at any position.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static CheckpointFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new IOException($"cannot read {path}: expected a file, found a directory");
        }

        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"cannot read {path}: there is no such file", path);
        }

        SafeFileHandle handle = File.OpenHandle(path, options: FileOptions.RandomAccess);
        try
        {
            return new CheckpointFile(path, handle, RandomAccess.GetLength(handle));
        }
        catch (NotSupportedException exception)
        {
            handle.Dispose();
            throw new IOException($"cannot read {path}: expected a file that can be read at any position", exception);
        }
    }

    /// <summary>Fills the destination with the bytes from a position on.</summary>
    /// <exception cref="CheckpointFormatException">The file ends before: it was cut after it was opened.</exception>
    public void Read(long position, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(_handle, destination, position);
            if (read == 0)
            {
                throw new CheckpointFormatException(
                    Path, $"expected {destination.Length} more bytes at byte {position}, found the end of the file");
            }

            position += read;
            destination = destination[read..];
        }
    }

    public void Dispose() => _handle.Dispose();
}
