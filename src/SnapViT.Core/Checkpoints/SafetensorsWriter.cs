using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace SnapViT.Core.Checkpoints;

/// <summary>Writes safetensors files. The same input gives the same bytes.</summary>
internal static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>
    /// Writes all tensors to one file, complete or not at all. Tensors with wide elements come first (every element is aligned to its
    /// size), those of one width in the order given; metadata is sorted by key.
    /// </summary>
    /// <param name="path">The target; its folder must exist, an existing file is replaced.</param>
    /// <param name="tensors">The tensors; names are unique.</param>
    /// <param name="metadata">Free text for the whole file, or null.</param>
    /// <exception cref="ArgumentException">
    /// Two tensors have one name, a name is reserved, or a tensor wrote more or fewer bytes than its shape has.
    /// </exception>
    /// <exception cref="IOException">The folder does not exist, the target is a directory, or the disk refuses the bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorToWrite[] ordered = [.. tensors.OrderByDescending(tensor => tensor.Entry.Type.BitsPerElement())];
        byte[] header = Header([.. ordered.Select(tensor => tensor.Entry)], metadata);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (TensorToWrite tensor in ordered)
            {
                MeasuredStream.WriteTensor(stream, tensor);
            }
        });
    }

    /// <summary>Bytes of the file that <see cref="Write"/> makes of such tensors.</summary>
    /// <param name="tensors">What the tensors are; names are unique.</param>
    /// <param name="metadata">Free text for the whole file, or null.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or a name is reserved.</exception>
    public static long Length(IReadOnlyList<TensorEntry> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return Header([.. tensors.OrderByDescending(tensor => tensor.Type.BitsPerElement())], metadata).Length
            + tensors.Sum(tensor => tensor.ByteLength);
    }

    /// <summary>Length, JSON and as many spaces as bring the data to a multiple of 8 bytes.</summary>
    private static byte[] Header(IReadOnlyList<TensorEntry> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(new byte[sizeof(ulong)]);
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata ?? new Dictionary<string, string>());
            WriteTensors(json, tensors);
            json.WriteEndObject();
        }

        int padding = (Alignment - (buffer.WrittenCount % Alignment)) % Alignment;
        buffer.Write("        "u8[..padding]);
        byte[] header = buffer.WrittenSpan.ToArray();
        int length = header.Length - sizeof(ulong);
        if (length > SafetensorsHeader.MaxLength)
        {
            throw new ArgumentException(
                $"expected names and metadata of at most {SafetensorsHeader.MaxLength} bytes, found {length}", nameof(tensors));
        }

        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Count == 0)
        {
            return;
        }

        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, IReadOnlyList<TensorEntry> tensors)
    {
        HashSet<string> names = [SafetensorsHeader.MetadataKey];
        long begin = 0;
        foreach (TensorEntry tensor in tensors)
        {
            if (!names.Add(tensor.Name))
            {
                throw new ArgumentException(
                    $"the name {CheckpointFormatException.Quote(tensor.Name)} is given twice or reserved", nameof(tensors));
            }

            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", tensor.Type.SafetensorsName());
            WriteNumbers(json, "shape", tensor.Shape);
            WriteNumbers(json, "data_offsets", [begin, checked(begin + tensor.ByteLength)]);
            json.WriteEndObject();
            begin += tensor.ByteLength;
        }
    }

    private static void WriteNumbers(Utf8JsonWriter json, string key, IEnumerable<long> numbers)
    {
        json.WriteStartArray(key);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
