using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>
/// Writes a zip file of uncompressed entries whose bytes begin at multiples of 64, as PyTorch lays them out for mapping into memory.
/// </summary>
/// <param name="stream">A seekable stream: checksums are put in place after the bytes.</param>
internal sealed class ZipStoredWriter(Stream stream)
{
    /// <summary>Most bytes of a file without 64-bit records.</summary>
    public const long MaxLength = uint.MaxValue - 1;

    /// <summary>Most entries of a file without 64-bit records.</summary>
    public const int MaxEntries = ushort.MaxValue - 1;

    private const int Alignment = 64;
    private const int LocalLength = 30;
    private const int RecordLength = 46;
    private const int EndLength = 22;
    private const int CrcPosition = 14;
    private const ushort Version = 20;
    private const ushort Utf8Names = 0x0800;
    private const ushort FirstOfJanuary1980 = 0x0021;

    /// <summary>The tag PyTorch gives to the field that fills up to the alignment.</summary>
    private const ushort PaddingTag = 0x4246;

    private readonly List<(byte[] Name, uint Crc, long Length, long HeaderOffset)> _records = [];

    /// <summary>Bytes an entry needs beside its content, at most.</summary>
    public static long Overhead(string name) => LocalLength + RecordLength + (2 * Encoding.UTF8.GetByteCount(name)) + (2 * Alignment);

    /// <summary>Bytes of the file that such entries make.</summary>
    public static long Length(IEnumerable<(string Name, long Length)> entries)
    {
        long position = 0, directory = EndLength;
        foreach ((string name, long length) in entries)
        {
            int nameLength = Encoding.UTF8.GetByteCount(name);
            position += Unpadded(nameLength);
            position += Padding(position) + length;
            directory += RecordLength + nameLength;
        }

        return position + directory;
    }

    public void Add(string name, byte[] content) => Add(name, content.Length, checksum =>
    {
        stream.Write(content);
        checksum.Append(content);
    });

    public void Add(string name, TensorToWrite tensor) =>
        Add(name, tensor.Entry.ByteLength, checksum => MeasuredStream.WriteTensor(stream, tensor, checksum));

    /// <summary>Writes the directory.</summary>
    public void Finish()
    {
        long directory = stream.Position;
        foreach ((byte[] name, uint crc, long length, long offset) in _records)
        {
            byte[] record = new byte[RecordLength + name.Length];
            BinaryPrimitives.WriteUInt32LittleEndian(record, 0x02014b50);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(4), Version);
            WriteCommon(record.AsSpan(6), crc, length, name.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(42), (uint)offset);
            name.CopyTo(record, RecordLength);
            stream.Write(record);
        }

        byte[] end = new byte[EndLength];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054b50);
        BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(8), (ushort)_records.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(10), (ushort)_records.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(12), (uint)(stream.Position - directory));
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(16), (uint)directory);
        stream.Write(end);
    }

    private void Add(string name, long length, Action<Crc32> write)
    {
        byte[] nameBytes = Encoding.UTF8.GetBytes(name);
        long offset = stream.Position;
        int unpadded = Unpadded(nameBytes.Length);
        int padding = Padding(offset + unpadded);
        byte[] header = new byte[unpadded + padding];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034b50);
        WriteCommon(header.AsSpan(4), crc: 0, length, nameBytes.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(28), (ushort)(4 + padding));
        nameBytes.CopyTo(header, LocalLength);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(LocalLength + nameBytes.Length), PaddingTag);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(LocalLength + nameBytes.Length + 2), (ushort)padding);
        stream.Write(header);

        Crc32 checksum = new();
        write(checksum);
        long end = stream.Position;
        BinaryPrimitives.WriteUInt32LittleEndian(header, checksum.Value);
        stream.Position = offset + CrcPosition;
        stream.Write(header, 0, sizeof(uint));
        stream.Position = end;
        _records.Add((nameBytes, checksum.Value, length, offset));
    }

    /// <summary>Bytes of a local header with its name and the head of the field that fills up.</summary>
    private static int Unpadded(int nameLength) => LocalLength + nameLength + 4;

    /// <summary>Bytes from a position to the next multiple of the alignment.</summary>
    private static int Padding(long position) => (int)((Alignment - (position % Alignment)) % Alignment);

    /// <summary>The 24 bytes that local headers and directory records share: version to length of the name.</summary>
    private static void WriteCommon(Span<byte> target, uint crc, long length, int nameLength)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, Version);
        BinaryPrimitives.WriteUInt16LittleEndian(target[2..], Utf8Names);
        BinaryPrimitives.WriteUInt16LittleEndian(target[8..], FirstOfJanuary1980);
        BinaryPrimitives.WriteUInt32LittleEndian(target[10..], crc);
        BinaryPrimitives.WriteUInt32LittleEndian(target[14..], (uint)length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[18..], (uint)length);
        BinaryPrimitives.WriteUInt16LittleEndian(target[22..], (ushort)nameLength);
    }
}
