using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Tensors;

/// <summary>
/// A read-only view of a 64-bit little-endian x86-64 shared library as the dynamic loader sees it: by program headers and dynamic table,
/// without section headers. Every read is checked against the end of the file (layouts: System V gABI, chapters 4 and 5).
/// </summary>
internal sealed class ElfImage
{
    private const ulong HeaderSize = 64;
    private const ulong ProgramHeaderSize = 56;
    private const ulong DynamicEntrySize = 16;

    private readonly ReadOnlyMemory<byte> file;
    private readonly List<Segment> segments = [];
    private readonly Dictionary<DynamicTag, ulong> dynamic = [];

    /// <summary>Reads the headers and the dynamic table.</summary>
    /// <exception cref="ElfFormatException">The file is of another kind or is damaged.</exception>
    public ElfImage(ReadOnlyMemory<byte> file)
    {
        this.file = file;
        CheckIdentity();
        ReadDynamicTable(ReadProgramHeaders());
    }

    private enum SegmentKind : uint
    {
        Load = 1,
        Dynamic = 2,
    }

    private enum DynamicTag : ulong
    {
        End = 0,
        PltRelocationsSize = 2,
        Strings = 5,
        Symbols = 6,
        Relocations = 7,
        RelocationsSize = 8,
        StringsSize = 10,
        OldRelocations = 17,
        PltRelocationKind = 20,
        PltRelocations = 23,
        SymbolVersions = 0x6ffffff0,
        VersionNeeds = 0x6ffffffe,
    }

    private void CheckIdentity()
    {
        ReadOnlySpan<byte> start = Bytes(0, HeaderSize);
        Require(start[..4].SequenceEqual("\x7f"u8 + "ELF"u8), "it is no ELF file");
        Require(start[4] == 2 && start[5] == 1 && start[6] == 1, "it is not 64-bit little-endian ELF of version 1");
        Require(UInt16(16) == 3, $"its type is {UInt16(16)}, expected a shared library (3)");
        Require(UInt16(18) == 62, $"its machine is {UInt16(18)}, expected x86-64 (62)");
        Require(UInt16(54) == ProgramHeaderSize, $"its program headers have {UInt16(54)} bytes, expected {ProgramHeaderSize}");
    }

    private Segment ReadProgramHeaders()
    {
        ulong header = UInt64(32);
        List<Segment> tables = [];
        for (int left = UInt16(56); left > 0; left--, header += ProgramHeaderSize)
        {
            Segment segment = new(UInt64(header + 8), UInt64(header + 16), UInt64(header + 32));
            switch ((SegmentKind)UInt32(header))
            {
                case SegmentKind.Load:
                    Bytes(segment.Offset, segment.Size);
                    segments.Add(segment);
                    break;
                case SegmentKind.Dynamic:
                    tables.Add(segment);
                    break;
            }
        }

        Require(tables.Count == 1, $"it has {tables.Count} dynamic tables, expected 1");
        return tables[0];
    }

    private void ReadDynamicTable(Segment table)
    {
        Bytes(table.Offset, table.Size);
        for (ulong read = 0; table.Size - read >= DynamicEntrySize; read += DynamicEntrySize)
        {
            var tag = (DynamicTag)UInt64(table.Offset + read);
            if (tag == DynamicTag.End)
            {
                return;
            }

            dynamic[tag] = UInt64(table.Offset + read + 8);
        }

        throw Refusal("its dynamic table has no end");
    }

    private ulong Dynamic(DynamicTag tag) =>
        dynamic.TryGetValue(tag, out ulong value) ? value : throw Refusal($"its dynamic table has no entry {tag} (0x{(ulong)tag:x})");

    /// <summary>The place in the file of <paramref name="size"/> bytes at an address of the loaded library.</summary>
    private ulong OffsetOf(ulong address, ulong size)
    {
        foreach (Segment segment in segments)
        {
            ulong into = address - segment.Address;
            if (address >= segment.Address && into <= segment.Size && size <= segment.Size - into)
            {
                return segment.Offset + into;
            }
        }

        throw Refusal($"{size} bytes at address 0x{address:x} lie in no loaded segment");
    }

    private ushort UInt16(ulong offset) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(offset, 2));

    private uint UInt32(ulong offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(offset, 4));

    private ulong UInt64(ulong offset) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(offset, 8));

    private ReadOnlySpan<byte> Bytes(ulong offset, ulong size)
    {
        ulong length = (ulong)file.Length;
        Require(
            offset <= length && size <= length - offset,
            $"{size} bytes at offset 0x{offset:x} lie outside the {length} bytes of the file");
        return file.Span.Slice((int)offset, (int)size);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw Refusal(otherwise);
        }
    }

    private static ElfFormatException Refusal(string reason) => new($"The library cannot be adapted: {reason}.");

    private readonly record struct Segment(ulong Offset, ulong Address, ulong Size);

    private const ulong RelocationSize = 24;
    private const ulong SymbolSize = 24;
    private const ulong VersionNeedSize = 16;

    /// <summary>One version that another library must offer.</summary>
    /// <param name="File">The library that must offer it.</param>
    /// <param name="Name">The version, as <c>GLIBCXX_3.4.30</c>.</param>
    /// <param name="Index">By which number the symbol versions refer to it.</param>
    /// <param name="FlagsOffset">Where in the file its two bytes of flags are.</param>
    /// <param name="Flags">Those flags.</param>
    internal readonly record struct VersionNeed(string File, string Name, int Index, int FlagsOffset, ushort Flags);

    /// <summary>All versions the library asks of others.</summary>
    /// <exception cref="ElfFormatException">The records are damaged.</exception>
    public IEnumerable<VersionNeed> VersionNeeds()
    {
        ulong need = Dynamic(DynamicTag.VersionNeeds);
        while (true)
        {
            ulong at = OffsetOf(need, VersionNeedSize);
            Require(UInt16(at) == 1, $"its version record has the format {UInt16(at)}, expected 1");
            string library = Text(UInt32(at + 4));
            ulong entry = need + UInt32(at + 8);
            for (int left = UInt16(at + 2); left > 0; left--)
            {
                ulong of = OffsetOf(entry, VersionNeedSize);
                yield return new VersionNeed(library, Text(UInt32(of + 8)), UInt16(of + 6), (int)(of + 4), UInt16(of + 4));
                entry += UInt32(of + 12);
            }

            if (UInt32(at + 12) == 0)
            {
                yield break;
            }

            need += UInt32(at + 12);
        }
    }

    /// <summary>The numbers of all symbols the loader will look up: those that a relocation names.</summary>
    /// <exception cref="ElfFormatException">The tables are damaged or of a kind that x86-64 does not use.</exception>
    public IEnumerable<uint> RelocatedSymbols()
    {
        Require(!dynamic.ContainsKey(DynamicTag.OldRelocations), "it has relocations without addends");
        Require(
            Dynamic(DynamicTag.PltRelocationKind) == (ulong)DynamicTag.Relocations,
            "its procedure table has relocations without addends");
        return SymbolsOf(DynamicTag.Relocations, DynamicTag.RelocationsSize)
            .Concat(SymbolsOf(DynamicTag.PltRelocations, DynamicTag.PltRelocationsSize));
    }

    /// <summary>The version number of a symbol, without the bit that hides it.</summary>
    public int VersionOf(uint symbol) => UInt16(OffsetOf(Dynamic(DynamicTag.SymbolVersions) + (2UL * symbol), 2)) & 0x7fff;

    /// <summary>The name of a symbol.</summary>
    public string NameOf(uint symbol) => Text(UInt32(OffsetOf(Dynamic(DynamicTag.Symbols) + (SymbolSize * symbol), SymbolSize)));

    private IEnumerable<uint> SymbolsOf(DynamicTag table, DynamicTag size)
    {
        ulong bytes = Dynamic(size);
        ulong at = OffsetOf(Dynamic(table), bytes);
        for (ulong end = at + (bytes / RelocationSize * RelocationSize); at < end; at += RelocationSize)
        {
            yield return UInt32(at + 12);
        }
    }

    private string Text(uint offset)
    {
        ulong size = Dynamic(DynamicTag.StringsSize);
        ulong table = OffsetOf(Dynamic(DynamicTag.Strings), size);
        Require(offset < size, $"a name at {offset} lies outside the {size} bytes of names");
        ReadOnlySpan<byte> rest = Bytes(table + offset, size - offset);
        int end = rest.IndexOf((byte)0);
        Require(end >= 0, $"the name at {offset} has no end");
        return Encoding.UTF8.GetString(rest[..end]);
    }
}

/// <summary>The bytes are not a shared library of the kind <see cref="GlibcxxPatch"/> may change.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
