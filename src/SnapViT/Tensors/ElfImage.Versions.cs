using System.Text;

namespace SnapViT.Tensors;

/// <content>Symbol versions (Linux Standard Base, "Symbol Versioning") and the relocations that name symbols.</content>
internal sealed partial class ElfImage
{
    private const ulong RelocationSize = 24;
    private const ulong SymbolSize = 24;
    private const ulong VersionNeedSize = 16;

    /// <summary>One version that another library must offer.</summary>
    /// <param name="File">The library that must offer it.</param>
    /// <param name="Name">The version, as <c>GLIBCXX_3.4.30</c>.</param>
    /// <param name="Index">By which number the symbol versions refer to it.</param>
    /// <param name="FlagsOffset">Where in the file its two bytes of flags are.</param>
    /// <param name="Flags">Those flags.</param>
    public readonly record struct VersionNeed(string File, string Name, int Index, int FlagsOffset, ushort Flags);

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
        Require(Dynamic(DynamicTag.PltRelocationKind) == (ulong)DynamicTag.Relocations, "its procedure table has relocations without addends");
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
