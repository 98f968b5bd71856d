using System.Globalization;
using System.Text;

namespace SnapViT.Data.Sources;

/// <summary>
/// Reads where the files of a tar archive lie (POSIX ustar and pax, GNU long names), so that each is read in place.
/// </summary>
/// <remarks>Own code, for long names and sizes of .NET's reader have no limit but the memory.</remarks>
internal static class TarTree
{
    private const int Block = 512;
    private const int MostEntries = 1 << 22;
    private const int LongestExtra = 1 << 20;

    /// <summary>Whether bytes begin as a tar archive does.</summary>
    public static bool Begins(ReadOnlySpan<byte> start) => start.Length >= Block && HasChecksum(start[..Block]);

    /// <summary>The files of an archive.</summary>
    /// <param name="path">The path that was opened, for messages.</param>
    /// <param name="archive">The archive.</param>
    /// <exception cref="ImageException">It is damaged, cut short or hostile.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static FileTree Read(string path, SourceBytes archive)
    {
        Dictionary<string, TreeFile> files = new(StringComparer.Ordinal);
        List<string> folders = [];
        List<LeftOutItem> leftOut = [];
        byte[] header = new byte[Block];
        (string? name, long? size) extra = default;
        long at = 0;
        for (int count = 0; archive.Read(at, header) is int read and > 0; count++)
        {
            if (read < Block)
            {
                throw Fault(path, at, "it is cut short");
            }

            if (header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                break;
            }

            if (count == MostEntries)
            {
                throw Fault(path, at, $"expected at most {MostEntries} entries, found more");
            }

            if (!HasChecksum(header))
            {
                throw Fault(path, at, "expected the header of an entry, found other bytes: damaged or cut short");
            }

            long size = Number(path, at, header.AsSpan(124, 12)), begin = at + Block;
            byte kind = header[156];
            bool hasContent = kind is 0 or (byte)'0' or (byte)'7' or (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K' or (byte)'S';
            size = hasContent ? (kind is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K' ? size : extra.size ?? size) : 0;
            if (size > long.MaxValue / 2 - begin)
            {
                throw Fault(path, at, $"expected an entry inside the archive, found one of {size} bytes");
            }

            at = begin + ((size + Block - 1) / Block * Block);
            if (kind is (byte)'x' or (byte)'L')
            {
                byte[] content = Extra(path, archive, begin, size);
                extra = kind == 'L' ? (Text(content), extra.size) : Pax(path, begin, content, extra);
                continue;
            }

            if (kind is (byte)'g' or (byte)'K')
            {
                continue;
            }

            string said = extra.name ?? HeaderName(header), name = Plain(path, begin - Block, said);
            extra = default;
            if (kind == '5' || name.Length == 0 || said.EndsWith('/'))
            {
                folders.AddRange(name.Length > 0 ? [name] : []);
            }
            else if (kind is 0 or (byte)'0' or (byte)'7')
            {
                // As tar itself does: a later entry replaces an earlier one of the same name.
                files[name] = new TreeFile(name, $"{path}/{name}", new SlicedBytes(archive, begin, size));
            }
            else
            {
                leftOut.Add(new LeftOutItem(LeftOutKind.NoImage, "links and special files of an archive", name));
            }
        }

        if (archive.Length < at)
        {
            throw new ImageException(path, $"the archive is cut short: expected at least {at} bytes, found {archive.Length}");
        }

        return FileNames.Archive(path, files.Values, folders, leftOut);
    }

    private static byte[] Extra(string path, SourceBytes archive, long begin, long size)
    {
        byte[] content = size <= LongestExtra
            ? new byte[size]
            : throw Fault(path, begin - Block, $"expected a name of at most {LongestExtra} bytes, found {size}");
        return archive.Read(begin, content) == size ? content : throw Fault(path, begin, "it is cut short");
    }

    /// <summary>Records <c>length key=value</c> of pax.</summary>
    private static (string? Name, long? Size) Pax(string path, long at, byte[] content, (string? Name, long? Size) extra)
    {
        for (int from = 0; from < content.Length;)
        {
            int blank = content.AsSpan(from).IndexOf((byte)' ');
            if (blank is < 1 or > 7
                || !int.TryParse(content.AsSpan(from, blank), NumberStyles.None, CultureInfo.InvariantCulture, out int length)
                || length <= blank + 1 || length > content.Length - from)
            {
                throw Fault(path, at, "expected the records of pax, found other bytes");
            }

            string record = Text(content.AsSpan(from + blank + 1, length - blank - 2));
            extra = record.StartsWith("path=", StringComparison.Ordinal) ? (record[5..], extra.Size)
                : !record.StartsWith("size=", StringComparison.Ordinal) ? extra
                : long.TryParse(record.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? (extra.Name, size)
                : throw Fault(path, at, "expected a size in the records of pax, found other text");
            from += length;
        }

        return extra;
    }

    private static string HeaderName(ReadOnlySpan<byte> header)
    {
        bool hasPrefix = header[257..].StartsWith("ustar\0"u8);
        string prefix = hasPrefix ? Text(header.Slice(345, 155)) : "";
        string name = Text(header[..100]);
        return prefix.Length > 0 ? $"{prefix}/{name}" : name;
    }

    /// <summary>A name below the root of the archive.</summary>
    private static string Plain(string path, long at, string name)
    {
        string[] parts = [.. name.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".")];
        return !name.StartsWith('/') && !parts.Contains("..") && !name.Any(char.IsControl)
            ? string.Join('/', parts)
            : throw Fault(path, at, $"expected names that stay inside the archive, found '{Printable(name)}'");
    }

    private static string Printable(string name) => new([.. name.Take(80).Select(c => char.IsControl(c) ? '?' : c)]);

    /// <summary>A number in octal digits, or in GNU's binary form.</summary>
    private static long Number(string path, long at, ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            long value = field[0] & 0x3f;
            foreach (byte next in field[1..])
            {
                value = value > long.MaxValue >> 8 || (field[0] & 0x40) != 0
                    ? throw Fault(path, at, "expected a size, found one of more than 63 bits")
                    : (value << 8) | next;
            }

            return value;
        }

        long number = 0;
        foreach (byte digit in field.Trim(" \0"u8))
        {
            number = digit is >= (byte)'0' and <= (byte)'7'
                ? (number << 3) | (long)(digit - '0')
                : throw Fault(path, at, "expected a size in octal digits, found other bytes");
        }

        return number;
    }

    /// <summary>Whether a header's checksum is that of its bytes, with blanks in place of itself.</summary>
    private static bool HasChecksum(ReadOnlySpan<byte> header)
    {
        const int at = 148, length = 8;
        long told = 0;
        foreach (byte digit in header.Slice(at, length).Trim(" \0"u8))
        {
            if (digit is < (byte)'0' or > (byte)'7')
            {
                return false;
            }

            told = (told << 3) | (long)(digit - '0');
        }

        long sum = 0, signed = 0;
        for (int i = 0; i < header.Length; i++)
        {
            byte value = i is >= at and < at + length ? (byte)' ' : header[i];
            sum += value;
            signed += (sbyte)value;
        }

        return told > 0 && (told == sum || told == signed);
    }

    private static string Text(ReadOnlySpan<byte> field) =>
        Encoding.UTF8.GetString(field.IndexOf((byte)0) is int end and >= 0 ? field[..end] : field);

    private static ImageException Fault(string path, long at, string fault) => new(path, $"tar entry at byte {at}: {fault}");
}
