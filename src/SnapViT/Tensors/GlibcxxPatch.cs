using System.Buffers.Binary;

namespace SnapViT.Tensors;

/// <summary>
/// Makes the demand for one version of the C++ runtime weak, so that a runtime without it is accepted.
/// <para>
/// Libraries built by GCC 13 or later carry the stamp <c>std::ios_base_library_init()</c> of version GLIBCXX_3.4.32: an empty marker that
/// says "the runtime sets up its streams itself". Nothing calls it, yet older runtimes (Debian 12, Ubuntu 22.04: 3.4.30) are refused for
/// it.
/// </para>
/// </summary>
internal static class GlibcxxPatch
{
    /// <summary>The version of the marker.</summary>
    public const string Version = "GLIBCXX_3.4.32";

    private const string Runtime = "libstdc++.so.6";
    private const ushort Weak = 2;

    /// <summary>
    /// A copy of the library whose need of <see cref="Version"/> has the flag VER_FLG_WEAK; every other bit is the same. Safe only because
    /// no relocation names a symbol of that version, which is checked: the loader then never looks one up.
    /// </summary>
    /// <exception cref="ElfFormatException">The file is no such library, does not need the version, or really uses it.</exception>
    public static byte[] Apply(ReadOnlyMemory<byte> library)
    {
        ElfImage image = new(library);
        ElfImage.VersionNeed need = Find(image);
        foreach (uint symbol in image.RelocatedSymbols())
        {
            if (image.VersionOf(symbol) == need.Index)
            {
                throw new ElfFormatException($"The library cannot be adapted: it really uses {image.NameOf(symbol)} of {Version}.");
            }
        }

        byte[] copy = library.ToArray();
        BinaryPrimitives.WriteUInt16LittleEndian(copy.AsSpan(need.FlagsOffset), (ushort)(need.Flags | Weak));
        return copy;
    }

    private static ElfImage.VersionNeed Find(ElfImage image)
    {
        foreach (ElfImage.VersionNeed need in image.VersionNeeds())
        {
            if (need is { File: Runtime, Name: Version })
            {
                return need;
            }
        }

        throw new ElfFormatException($"The library cannot be adapted: it does not need {Version} of {Runtime}.");
    }
}
