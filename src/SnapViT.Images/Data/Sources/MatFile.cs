using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace SnapViT.Data.Sources;

/// <summary>
/// Reads an array of structs from a MATLAB file of level 5, such as <c>meta.mat</c> of ImageNet's development kit: fields that are text or
/// one number, others are passed over.
/// </summary>
/// <remarks>Format: MATLAB's MAT-File Format, level 5: elements with tags, compressed or not.</remarks>
internal static class MatFile
{
    private const int HeaderLength = 128;
    private const int Matrix = 14;
    private const int Compressed = 15;
    private const int StructClass = 2;
    private const int CharClass = 4;
    private const int MostInflated = 64 << 20;
    private const int MostElements = 1 << 20;

    /// <summary>The structs of a variable: text as string, numbers as double.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="variable">The name of the variable.</param>
    /// <exception cref="InvalidDataException">The file is damaged, of another level, or has no such variable.</exception>
    public static IReadOnlyList<IReadOnlyDictionary<string, object>> ReadStructs(byte[] bytes, string variable)
    {
        if (bytes.Length < HeaderLength || !bytes.AsSpan().StartsWith("MATLAB 5.0"u8) || bytes[126] != (byte)'I' || bytes[127] != (byte)'M')
        {
            throw new InvalidDataException("expected a MATLAB file of level 5 in little-endian order, found another one");
        }

        ReadOnlyMemory<byte> rest = bytes.AsMemory(HeaderLength);
        while (rest.Length > 0)
        {
            (int type, ReadOnlyMemory<byte> data) = Element(ref rest);
            byte[]? inflated = type == Compressed ? Inflate(data) : null;
            if (inflated is not null)
            {
                ReadOnlyMemory<byte> content = inflated;
                (type, data) = Element(ref content);
            }

            if (type == Matrix && Structs(data, variable) is { } found)
            {
                return found;
            }
        }

        throw new InvalidDataException($"expected the variable '{variable}', found none");
    }

    /// <summary>The structs of a matrix of that name; null for another one.</summary>
    private static List<IReadOnlyDictionary<string, object>>? Structs(ReadOnlyMemory<byte> matrix, string variable)
    {
        (int kind, long count, string name) = Begin(ref matrix);
        if (name != variable || kind != StructClass)
        {
            return null;
        }

        ReadOnlyMemory<byte> length = Element(ref matrix).Data, names = Element(ref matrix).Data;
        int each = length.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(length.Span) : 0;
        if (each is < 1 or > 256 || names.Length % each != 0 || count > MostElements)
        {
            throw new InvalidDataException("expected the fields of a struct, found other bytes");
        }

        string[] fields = new string[names.Length / each];
        for (int field = 0; field < fields.Length; field++)
        {
            fields[field] = Encoding.ASCII.GetString(names.Span.Slice(field * each, each)).Split('\0')[0];
        }

        List<IReadOnlyDictionary<string, object>> structs = [];
        for (long i = 0; i < count; i++)
        {
            Dictionary<string, object> values = new(StringComparer.Ordinal);
            foreach (string field in fields)
            {
                (int type, ReadOnlyMemory<byte> data) = Element(ref matrix);
                if (type == Matrix && Value(data) is object value)
                {
                    values[field] = value;
                }
            }

            structs.Add(values);
        }

        return structs;
    }

    /// <summary>Text, or one number; null for anything else.</summary>
    private static object? Value(ReadOnlyMemory<byte> matrix)
    {
        if (matrix.IsEmpty)
        {
            return null;
        }

        (int kind, long count, _) = Begin(ref matrix);
        if (matrix.IsEmpty || (kind != CharClass && (count != 1 || kind is < 6 or > 15)))
        {
            return null;
        }

        (int type, ReadOnlyMemory<byte> data) = Element(ref matrix);
        return kind != CharClass ? Number(type, data.Span)
            : type is 4 or 17 ? Encoding.Unicode.GetString(data.Span)
            : Encoding.UTF8.GetString(data.Span);
    }

    private static object? Number(int type, ReadOnlySpan<byte> data) => (type, data.Length) switch
    {
        (1, >= 1) => (double)(sbyte)data[0],
        (2, >= 1) => (double)data[0],
        (3, >= 2) => (double)BinaryPrimitives.ReadInt16LittleEndian(data),
        (4, >= 2) => (double)BinaryPrimitives.ReadUInt16LittleEndian(data),
        (5, >= 4) => (double)BinaryPrimitives.ReadInt32LittleEndian(data),
        (6, >= 4) => (double)BinaryPrimitives.ReadUInt32LittleEndian(data),
        (7, >= 4) => (double)BinaryPrimitives.ReadSingleLittleEndian(data),
        (9, >= 8) => BinaryPrimitives.ReadDoubleLittleEndian(data),
        _ => null,
    };

    /// <summary>The class of a matrix, how many elements it has, and its name.</summary>
    private static (int Kind, long Count, string Name) Begin(ref ReadOnlyMemory<byte> matrix)
    {
        ReadOnlySpan<byte> flags = Element(ref matrix).Data.Span, sizes = Element(ref matrix).Data.Span;
        ReadOnlySpan<byte> name = Element(ref matrix).Data.Span;
        if (flags.Length < 4 || sizes.Length % 4 != 0)
        {
            throw new InvalidDataException("expected the head of a matrix, found other bytes");
        }

        long count = 1;
        for (int i = 0; i < sizes.Length; i += 4)
        {
            int size = BinaryPrimitives.ReadInt32LittleEndian(sizes[i..]);
            count = size >= 0 && (size == 0 || count <= int.MaxValue / size)
                ? count * size
                : throw new InvalidDataException("expected a matrix of fewer elements");
        }

        return (flags[0], count, Encoding.ASCII.GetString(name));
    }

    /// <summary>The next element, with the padding behind it.</summary>
    private static (int Type, ReadOnlyMemory<byte> Data) Element(ref ReadOnlyMemory<byte> bytes)
    {
        const int tag = 8;
        if (bytes.Length < tag)
        {
            throw new InvalidDataException("the MATLAB file is cut short");
        }

        uint first = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span);
        bool isSmall = first >> 16 != 0;
        long length = isSmall ? first >> 16 : BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[4..]);
        int begin = isSmall ? 4 : tag, type = (int)(first & ushort.MaxValue);
        if ((isSmall && length > 4) || length > bytes.Length - begin)
        {
            throw new InvalidDataException("the MATLAB file is cut short or damaged");
        }

        ReadOnlyMemory<byte> data = bytes.Slice(begin, (int)length);
        long padded = isSmall ? tag : begin + (type == Compressed ? length : (length + 7) / 8 * 8);
        bytes = bytes[(int)Math.Min(bytes.Length, padded)..];
        return (type, data);
    }

    private static byte[] Inflate(ReadOnlyMemory<byte> data)
    {
        using ZLibStream inflated = new(new MemoryStream(data.ToArray()), CompressionMode.Decompress);
        using MemoryStream content = new();
        byte[] chunk = new byte[1 << 16];
        for (int read = 1; read > 0;)
        {
            read = inflated.Read(chunk);
            content.Write(chunk.AsSpan(0, read));
            if (content.Length > MostInflated)
            {
                throw new InvalidDataException($"expected content of at most {MostInflated >> 20} MiB in the MATLAB file, found more");
            }
        }

        return content.ToArray();
    }
}
