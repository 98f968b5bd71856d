using System.Buffers.Binary;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// Reads a safetensors file: 8 bytes little-endian header length, a JSON header, then the tensors' bytes without gaps.
/// The whole header is checked before any of it is believed; memory is bounded by the header's own length (at most 100 MB).
/// </summary>
/// <remarks>Format: the safetensors specification (Hugging Face), which also sets the limit of 100 MB.</remarks>
internal sealed class SafetensorsReader : ITensorArchive
{
    private readonly CheckpointFile _file;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsReader(CheckpointFile file, SafetensorsHeader header, long dataStart)
    {
        (_file, _header, _dataStart) = (file, header, dataStart);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => _header.Tensors;

    /// <summary>Opens a file and checks its header; the file stays open until the reader is disposed.</summary>
    /// <exception cref="CheckpointFormatException">The file is no safetensors file or a damaged one.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">The path is a directory or the disk fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    internal static SafetensorsReader Open(string path)
    {
        CheckpointFile file = CheckpointFile.Open(path);
        try
        {
            byte[] json = ReadHeader(file);
            long dataStart = sizeof(ulong) + json.Length;
            return new SafetensorsReader(file, SafetensorsHeader.Parse(path, json, file.Length - dataStart), dataStart);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, Span<byte> destination)
    {
        TensorEntry tensor = this.Require(name, destination.Length);
        _file.Read(_dataStart + _header.Begins[tensor.Name], destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static byte[] ReadHeader(CheckpointFile file)
    {
        if (file.Length < sizeof(ulong))
        {
            throw new CheckpointFormatException(file.Path, $"expected at least 8 bytes with the length of the header, found {file.Length}");
        }

        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        file.Read(0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > SafetensorsHeader.MaxLength)
        {
            throw new CheckpointFormatException(
                file.Path,
                $"expected a header of at most {SafetensorsHeader.MaxLength} bytes, found a length of {length}: no safetensors file");
        }

        if (length is 0 || (long)length > file.Length - sizeof(ulong))
        {
            throw new CheckpointFormatException(
                file.Path,
                $"expected a header of 1 to {file.Length - sizeof(ulong)} bytes in a file of {file.Length}, found a length of {length}");
        }

        byte[] json = new byte[length];
        file.Read(sizeof(ulong), json);
        return json;
    }
}
