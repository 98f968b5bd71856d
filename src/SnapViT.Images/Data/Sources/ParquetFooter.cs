using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Data.Sources;

/// <summary>
/// Checks the lengths and counts that a Parquet file states before the library that reads it believes them: it would follow a damaged count
/// without an end.
/// </summary>
/// <remarks>Format: Parquet's parquet.thrift in Thrift's compact protocol.</remarks>
internal sealed class ParquetFooter
{
    private const int MostFooter = 64 << 20;
    private const int MostHeader = 1 << 20;
    private const int TailLength = 8;

    private readonly SourceBytes _file;
    private readonly List<Dictionary<string, (long Begin, long Length, long Values)>> _groups = [];

    private ParquetFooter(SourceBytes file) => _file = file;

    /// <summary>Reads and checks the footer of a file.</summary>
    /// <exception cref="InvalidDataException">It contradicts itself or the file.</exception>
    /// <exception cref="EndOfStreamException">The file is cut short.</exception>
    public static ParquetFooter Read(SourceBytes file)
    {
        byte[] tail = new byte[TailLength];
        long length = file.Length;
        file.ReadExactly(Math.Max(0, length - TailLength), tail);
        long size = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (!tail.AsSpan(4).SequenceEqual("PAR1"u8) || size > MostFooter || size > length - TailLength)
        {
            throw new InvalidDataException("no footer at its end");
        }

        byte[] bytes = new byte[size];
        file.ReadExactly(length - TailLength - size, bytes);
        ParquetFooter footer = new(file);
        footer.Take(new CompactThrift(bytes).ReadStruct(), length);
        return footer;
    }

    /// <summary>Checks the headers of the pages of a column.</summary>
    /// <param name="group">The row group.</param>
    /// <param name="column">The path of the column, with slashes.</param>
    /// <param name="most">The most bytes that its pages may take.</param>
    /// <exception cref="InvalidDataException">A page states what cannot be.</exception>
    public void CheckPages(int group, string column, long most)
    {
        if (!_groups[group].TryGetValue(column, out (long Begin, long Length, long Values) chunk))
        {
            throw new InvalidDataException($"no column {column} in row group {group}");
        }

        byte[] start = new byte[(int)Math.Min(MostHeader, chunk.Length)];
        long values = 0, taken = 0;
        for (long at = 0; at < chunk.Length && values < chunk.Values;)
        {
            int read = _file.Read(chunk.Begin + at, start.AsSpan(0, (int)Math.Min(Math.Min(start.Length, 4096), chunk.Length - at)));
            CompactThrift thrift = new(start.AsMemory(0, read));
            IReadOnlyDictionary<int, object?> header = thrift.ReadStruct();
            long plain = Number(header, 2), compressed = Number(header, 3);
            taken += plain;
            if (plain < 0 || compressed < 0 || taken > most || compressed > chunk.Length - at - thrift.Position)
            {
                throw new InvalidDataException($"a page of {compressed} bytes that gives {plain}, in a column of {chunk.Length}");
            }

            values += Page(header, 5) + Page(header, 8);
            at += thrift.Position + compressed;
        }
    }

    private static long Page(IReadOnlyDictionary<int, object?> header, int field) =>
        header.GetValueOrDefault(field) is IReadOnlyDictionary<int, object?> page && Number(page, 1) is >= 0 and long count ? count : 0;

    private static long Number(IReadOnlyDictionary<int, object?> fields, int field) =>
        fields.GetValueOrDefault(field) is long number ? number : -1;

    private void Take(IReadOnlyDictionary<int, object?> footer, long length)
    {
        if (footer.GetValueOrDefault(2) is not IReadOnlyList<object?> schema || schema.Count == 0 || Tree(schema, 0) != schema.Count
            || footer.GetValueOrDefault(4) is not IReadOnlyList<object?> groups)
        {
            throw new InvalidDataException("a schema that is no tree, or no row groups");
        }

        foreach (object? group in groups)
        {
            Dictionary<string, (long, long, long)> chunks = new(StringComparer.Ordinal);
            foreach (object? column in (group as IReadOnlyDictionary<int, object?>)?.GetValueOrDefault(1) as IReadOnlyList<object?> ?? [])
            {
                if ((column as IReadOnlyDictionary<int, object?>)?.GetValueOrDefault(3) is IReadOnlyDictionary<int, object?> facts
                    && facts.GetValueOrDefault(3) is IReadOnlyList<object?> path)
                {
                    long data = Number(facts, 9), dictionary = Number(facts, 11), size = Number(facts, 7), values = Number(facts, 5);
                    long begin = dictionary > 0 && dictionary < data ? dictionary : data;
                    if (begin < 0 || size < 0 || values < 0 || size > length - begin)
                    {
                        throw new InvalidDataException($"a column of {size} bytes at byte {begin} of {length}");
                    }

                    IEnumerable<string> names = path.OfType<ReadOnlyMemory<byte>>().Select(name => Encoding.UTF8.GetString(name.Span));
                    chunks[string.Join('/', names)] = (begin, size, values);
                }
            }

            _groups.Add(chunks);
        }
    }

    /// <summary>The place behind the element at a place and all that is below it.</summary>
    private static int Tree(IReadOnlyList<object?> schema, int at)
    {
        // Each element says how many follow it as its children; a stack of what is open takes no depth.
        long open = 1;
        for (; open > 0 && at < schema.Count; at++)
        {
            long children = schema[at] is IReadOnlyDictionary<int, object?> element ? Math.Max(0, Number(element, 5)) : -1;
            open += children >= 0 && children < schema.Count ? children - 1 : throw new InvalidDataException("a schema that is no tree");
        }

        return open == 0 ? at : -1;
    }
}

/// <summary>Reads Thrift's compact protocol: structs as their fields by number, and never beyond the bytes.</summary>
internal sealed class CompactThrift(ReadOnlyMemory<byte> bytes)
{
    private const int Deepest = 32;

    /// <summary>The byte that comes next.</summary>
    public int Position { get; private set; }

    /// <summary>A struct: whole numbers as long, text and bytes as memory, lists, structs; others as null.</summary>
    /// <exception cref="InvalidDataException">A length or a type is none.</exception>
    public IReadOnlyDictionary<int, object?> ReadStruct(int depth = 0)
    {
        if (depth > Deepest)
        {
            throw new InvalidDataException("values nested too deep");
        }

        Dictionary<int, object?> fields = [];
        int field = 0;
        while (Byte() is var head && head != 0)
        {
            field = head >> 4 != 0 ? field + (head >> 4) : (int)ZigZag();
            fields[field] = Value(head & 15, depth, isInList: false);
        }

        return fields;
    }

    private object? Value(int type, int depth, bool isInList)
    {
        switch (type)
        {
            case 1 or 2:
                return isInList ? Byte() == 1 : type == 1;
            case 3:
                return (long)(sbyte)Byte();
            case 4 or 5 or 6:
                return ZigZag();
            case 7:
                Take(sizeof(double));
                return null;
            case 8:
                return Take(Count());
            case 9 or 10:
                int head = Byte(), count = head >> 4 == 15 ? Count() : head >> 4;
                if (count > bytes.Length - Position)
                {
                    throw new InvalidDataException($"a list of {count} values in {bytes.Length - Position} bytes");
                }

                object?[] items = new object?[count];
                for (int i = 0; i < count; i++)
                {
                    items[i] = Value(head & 15, depth + 1, isInList: true);
                }

                return items;
            case 12:
                return ReadStruct(depth + 1);
            default:
                throw new InvalidDataException($"a value of the unknown type {type}");
        }
    }

    private int Count() => Varint() is var count && count <= (ulong)(bytes.Length - Position)
        ? (int)count
        : throw new InvalidDataException("a length beyond the end");

    private long ZigZag() => Varint() is var value ? (long)(value >> 1) ^ -(long)(value & 1) : 0;

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            byte next = Byte();
            value |= (ulong)(next & 0x7f) << shift;
            if ((next & 0x80) == 0)
            {
                return value;
            }
        }

        throw new InvalidDataException("a number of too many bytes");
    }

    private byte Byte() => Position < bytes.Length ? bytes.Span[Position++] : throw new InvalidDataException("cut short");

    private ReadOnlyMemory<byte> Take(int count)
    {
        ReadOnlyMemory<byte> taken = count <= bytes.Length - Position
            ? bytes.Slice(Position, count)
            : throw new InvalidDataException("cut short");
        Position += count;
        return taken;
    }
}
