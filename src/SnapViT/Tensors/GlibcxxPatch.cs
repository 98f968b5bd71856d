using System.Buffers.Binary;

namespace SnapViT.Tensors;

/// <summary>
/// Makes a library that was linked against libstdc++ 3.4.32 load beside 3.4.30. All it needs of the newer one is
/// <c>std::ios_base_library_init()</c>, an empty marker: that one undefined symbol is pointed at libc's <c>getpid</c>, which takes no argument
/// and harms nothing, and the need of the newer version is marked weak. Nothing else is touched, and anything unexpected is refused.
/// </summary>
internal static class GlibcxxPatch
{
    private const string Marker = "_ZSt21ios_base_library_initv";
    private const string Version = "GLIBCXX_3.4.32";
    private const ushort AnyVersion = 1;
    private const ushort WeakFlag = 2;

    /// <summary>A patched copy of the library's bytes.</summary>
    /// <exception cref="ElfFormatException">The library is not of the kind this patch was made for.</exception>
    public static byte[] Apply(byte[] library)
    {
        ElfFile elf = Read(library);
        try
        {
            return Apply(library, elf);
        }
        catch (OverflowException)
        {
            throw new ElfFormatException("an offset in it overflows");
        }
    }

    private static ElfFile Read(byte[] library)
    {
        try
        {
            return new ElfFile(library);
        }
        catch (OverflowException)
        {
            throw new ElfFormatException("an offset in it overflows");
        }
    }

    private static byte[] Apply(byte[] library, ElfFile elf)
    {
        int marker = Single([.. Enumerable.Range(0, elf.SymbolCount).Where(i => elf.IsUndefined(i) && elf.Name(elf.NameOffset(i)) == Marker)], Marker);
        int need = Single([.. elf.NeededEntries().Where(entry => elf.Name((int)elf.UInt32(entry + 8)) == Version)], Version);
        int name = elf.NameOffset(marker);
        ushort version = elf.UInt16(need + 6);
        for (int symbol = 0; symbol < elf.SymbolCount; symbol++)
        {
            if (symbol != marker && (VersionOf(elf, symbol) == version || IsWithin(elf.NameOffset(symbol), name)))
            {
                throw new ElfFormatException($"it needs more of {Version} than the marker: {elf.Name(elf.NameOffset(symbol))}");
            }
        }

        byte[] patched = [.. library];
        "getpid\0"u8.CopyTo(patched.AsSpan(elf.Names.Offset + name));
        BinaryPrimitives.WriteUInt16LittleEndian(patched.AsSpan(elf.Versions.Offset + (marker * 2)), AnyVersion);
        BinaryPrimitives.WriteUInt16LittleEndian(patched.AsSpan(need + 4), (ushort)(elf.UInt16(need + 4) | WeakFlag));
        return patched;
    }

    private static int VersionOf(ElfFile elf, int symbol) => elf.UInt16(elf.Versions.Offset + (symbol * 2)) & 0x7fff;

    /// <summary>Linkers let a name share the end of a longer one; such a name would change with the marker's.</summary>
    private static bool IsWithin(int offset, int name) => offset >= name && offset < name + Marker.Length;

    private static int Single(int[] found, string what) =>
        found.Length == 1 ? found[0] : throw new ElfFormatException($"expected {what} once, found it {found.Length} times");
}
