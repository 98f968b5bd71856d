using System.IO.Compression;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Data.Sources;

/// <summary>Reads the directory of a zip archive, so that each file is read in place.</summary>
internal static class ZipTree
{
    /// <summary>The files of an archive.</summary>
    /// <exception cref="ImageException">It is damaged, cut short or hostile.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static FileTree Read(string path, FileBytes archive)
    {
        try
        {
            using CheckpointFile file = CheckpointFile.Open(archive.Path);
            IReadOnlyDictionary<string, ZipEntry> entries = ZipDirectory.Read(file);
            return FileNames.Archive(
                path,
                entries.Values.Where(entry => !entry.Name.EndsWith('/')).Select(entry =>
                    new TreeFile(entry.Name, $"{path}/{entry.Name}", new ZipEntryBytes($"{path}/{entry.Name}", archive, entry))),
                entries.Keys.Where(name => name.EndsWith('/')).Select(name => name[..^1]),
                []);
        }
        catch (CheckpointFormatException exception)
        {
            throw new ImageException(path, exception.Message.StartsWith(path, StringComparison.Ordinal)
                ? exception.Message[path.Length..].TrimStart(':', ' ')
                : exception.Message);
        }
    }

    /// <summary>An entry of a zip archive; its checksum is compared when it is read as a whole.</summary>
    private sealed class ZipEntryBytes(string location, FileBytes archive, ZipEntry entry) : SourceBytes
    {
        private readonly SlicedBytes _stored = new(archive, entry.DataOffset, entry.CompressedSize);
        private InflatedBytes? _inflated;

        /// <inheritdoc/>
        public override long Length => entry.Size;

        /// <inheritdoc/>
        public override int Read(long position, Span<byte> destination)
        {
            if (!entry.Deflated)
            {
                return _stored.Read(position, destination);
            }

            InflatedBytes inflated = LazyInitializer.EnsureInitialized(ref _inflated, () => new(location, _stored, isGzip: false));
            return position >= entry.Size
                ? 0
                : inflated.Read(position, destination[..(int)Math.Min(destination.Length, entry.Size - position)]);
        }

        /// <inheritdoc/>
        public override Stream Open()
        {
            if (entry.Size > ImageDecoder.MaxBytes)
            {
                return base.Open();
            }

            byte[] content = new byte[entry.Size];
            using Stream compressed = new SourceStream(_stored);
            using Stream plain = entry.Deflated ? new DeflateStream(compressed, CompressionMode.Decompress) : compressed;
            int read = plain.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return read == content.Length && plain.ReadByte() < 0 && Crc32.Of(content) == entry.Crc
                ? new MemoryStream(content, writable: false)
                : throw new ImageException(location, "the bytes in the archive are damaged: they do not match their checksum");
        }
    }
}
