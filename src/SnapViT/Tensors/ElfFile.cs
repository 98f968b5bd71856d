using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Tensors;

/// <summary>
/// The parts of an x86-64 shared library that bind undefined symbols to versions of other libraries: dynamic symbols, their names, and the
/// versions they need. Every access is checked against the file and its section. (System V ABI; LSB, "Symbol Versioning".)
/// </summary>
internal sealed class ElfFile
{
    /// <summary>Bytes of one entry of the dynamic symbol table.</summary>
    public const int SymbolSize = 24;

    private const uint DynamicSymbols = 11;
    private const uint SymbolVersions = 0x6fffffff;
    private const uint NeededVersions = 0x6ffffffe;
    private const int SectionHeaderSize = 64;

    private readonly byte[] _bytes;

    /// <summary>Finds the sections of a library.</summary>
    /// <exception cref="ElfFormatException">It is no x86-64 shared library, or a section lies outside the file.</exception>
    public ElfFile(byte[] bytes)
    {
        _bytes = bytes;
        Require(bytes.Length >= 64 && bytes.AsSpan(0, 4).SequenceEqual("\u007fELF"u8), "it is no ELF file");
        Require(bytes[4] == 2 && bytes[5] == 1, "it is not 64-bit little-endian");
        Require(UInt16(16) == 3 && UInt16(18) == 62, "it is no x86-64 shared library");
        Require(UInt16(58) == SectionHeaderSize, "its section headers have an unknown size");
        Symbols = Find(DynamicSymbols);
        Versions = Find(SymbolVersions);
        Needs = Find(NeededVersions);
        Names = At(Symbols.Link);
        Require(Symbols.Length % SymbolSize == 0 && Versions.Length == Symbols.Length / SymbolSize * 2, "its symbols and their versions differ in number");
    }

    /// <summary>A section: where it lies, and the section it refers to.</summary>
    public readonly record struct Section(int Offset, int Length, int Link);

    /// <summary>Dynamic symbols.</summary>
    public Section Symbols { get; }

    /// <summary>One version index of two bytes per symbol.</summary>
    public Section Versions { get; }

    /// <summary>Versions that other libraries must have.</summary>
    public Section Needs { get; }

    /// <summary>Names of symbols, libraries and versions.</summary>
    public Section Names { get; }

    /// <summary>Number of dynamic symbols.</summary>
    public int SymbolCount => Symbols.Length / SymbolSize;

    /// <summary>Where the name of a symbol begins in <see cref="Names"/>.</summary>
    public int NameOffset(int symbol) => (int)UInt32(Symbols.Offset + (symbol * SymbolSize));

    /// <summary>Whether a symbol is to be found in another library.</summary>
    public bool IsUndefined(int symbol) => UInt16(Symbols.Offset + (symbol * SymbolSize) + 6) == 0;

    /// <summary>The zero-terminated text at a place of <see cref="Names"/>.</summary>
    public string Name(int offset)
    {
        Require(offset >= 0 && offset < Names.Length, $"a name lies outside the names, at {offset}");
        ReadOnlySpan<byte> rest = _bytes.AsSpan(Names.Offset + offset, Names.Length - offset);
        int end = rest.IndexOf((byte)0);
        Require(end >= 0, $"a name has no end, at {offset}");
        return Encoding.UTF8.GetString(rest[..end]);
    }

    /// <summary>Places of all entries of versions needed of other libraries.</summary>
    public IEnumerable<int> NeededEntries()
    {
        int budget = Needs.Length / 16;
        for (int library = 0; ;)
        {
            int count = UInt16(InNeeds(library) + 2);
            int entry = checked(library + (int)UInt32(InNeeds(library) + 8));
            for (int i = 0; i < count; i++)
            {
                Require(budget-- > 0, "its version needs run in a circle");
                yield return InNeeds(entry);
                entry = checked(entry + (int)UInt32(InNeeds(entry) + 12));
            }

            int next = (int)UInt32(InNeeds(library) + 12);
            if (next <= 0)
            {
                yield break;
            }

            Require(budget-- > 0, "its version needs run in a circle");
            library = checked(library + next);
        }
    }

    public ushort UInt16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(offset, 2));

    public uint UInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(offset, 4));

    private int InNeeds(int offset)
    {
        Require(offset >= 0 && offset <= Needs.Length - 16, $"a version need lies outside its section, at {offset}");
        return Needs.Offset + offset;
    }

    private Section Find(uint type)
    {
        int count = UInt16(60);
        for (int i = 0; i < count; i++)
        {
            if (UInt32(HeaderAt(i) + 4) == type)
            {
                return At(i);
            }
        }

        throw new ElfFormatException($"it has no section of type {type:x}");
    }

    private Section At(int index)
    {
        int header = HeaderAt(index);
        ulong offset = UInt64(header + 24), length = UInt64(header + 32);
        Require(offset <= (ulong)_bytes.Length && length <= (ulong)_bytes.Length - offset, $"section {index} lies outside the file");
        return new Section((int)offset, (int)length, (int)Math.Min(UInt32(header + 40), int.MaxValue));
    }

    private int HeaderAt(int index)
    {
        ulong table = UInt64(40);
        Require(index < UInt16(60) && table <= (ulong)_bytes.Length, $"it has no section {index}");
        return checked((int)table + (index * SectionHeaderSize));
    }

    private ulong UInt64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Slice(offset, 8));

    private ReadOnlySpan<byte> Slice(int offset, int length)
    {
        Require(offset >= 0 && offset <= _bytes.Length - length, $"it ends before byte {offset}");
        return _bytes.AsSpan(offset, length);
    }

    private static void Require(bool holds, string fault)
    {
        if (!holds)
        {
            throw new ElfFormatException(fault);
        }
    }
}
