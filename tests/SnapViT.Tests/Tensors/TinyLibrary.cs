using System.Text;

namespace SnapViT.Tests.Tensors;

/// <summary>Builds the smallest shared library that has versioned symbols: one loaded segment at address <see cref="Base"/>, one dynamic table.</summary>
internal sealed record TinyLibrary
{
    public const int Base = 0x4000;
    private const int ProgramHeaders = 64;
    private const int Tables = ProgramHeaders + (2 * 56);

    private readonly List<byte> bytes = [];
    private readonly List<byte> strings = [0];

    /// <summary>The library of which the last version is asked.</summary>
    public string Runtime { get; init; } = "libstdc++.so.6";

    /// <summary>The last version asked, that of the marker.</summary>
    public string Version { get; init; } = "GLIBCXX_3.4.32";

    /// <summary>Whether a relocation names the marker, so that the loader must find it.</summary>
    public bool UsesMarker { get; init; }

    public byte[] Build()
    {
        bytes.Clear();
        uint marker = Name("_ZSt21ios_base_library_initv");
        uint malloc = Name("malloc");
        bytes.AddRange(new byte[Tables]);
        int symbols = Add(new byte[24], Symbol(malloc), Symbol(marker));
        int symbolVersions = Add(Short(0, 2, 0x8004), new byte[2]);
        int needs = AddNeeds();
        int relocations = Add(Relocation(8, 0), Relocation(6, UsesMarker ? 2u : 1u));
        int plt = Add(Relocation(7, 1));
        int names = Add([.. strings]);
        (long Tag, long Value)[] table =
        [
            (1, 1), (5, Base + names), (10, strings.Count), (6, Base + symbols), (11, 24), (7, Base + relocations), (8, 48), (9, 24),
            (23, Base + plt), (2, 24), (20, 7), (0x6ffffff0, Base + symbolVersions), (0x6ffffffe, Base + needs), (0x6fffffff, 2), (0, 0),
        ];
        int dynamic = Add([.. table.SelectMany(entry => Long(entry.Tag, entry.Value))]);
        WriteHeaders(dynamic, table.Length * 16);
        return [.. bytes];
    }

    private int AddNeeds() => Add(
        [.. Short(1, 1), .. Int(Name("libc.so.6"), 16, 32)],
        [.. Int(0x09691a75), .. Short(0, 2), .. Int(Name("GLIBC_2.2.5"), 0)],
        [.. Short(1, 2), .. Int(Name(Runtime), 16, 0)],
        [.. Int(0x08922974), .. Short(0, 3), .. Int(Name("GLIBCXX_3.4"), 16)],
        [.. Int(0x0297f842), .. Short(0, 4), .. Int(Name(Version), 0)]);

    private void WriteHeaders(int dynamic, int dynamicSize)
    {
        byte[] headers =
        [
            0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, .. new byte[8],
            .. Short(3, 62), .. Int(1), .. Long(0, ProgramHeaders, 0), .. Int(0), .. Short(64, 56, 2, 64, 0, 0),
            .. Int(1, 6), .. Long(0, Base, Base, bytes.Count, bytes.Count, 4096),
            .. Int(2, 6), .. Long(dynamic, Base + dynamic, Base + dynamic, dynamicSize, dynamicSize, 8),
        ];
        for (int i = 0; i < headers.Length; i++)
        {
            bytes[i] = headers[i];
        }
    }

    private int Add(params byte[][] parts)
    {
        int at = bytes.Count;
        bytes.AddRange(parts.SelectMany(part => part));
        return at;
    }

    private uint Name(string name)
    {
        int at = strings.Count;
        strings.AddRange([.. Encoding.UTF8.GetBytes(name), 0]);
        return (uint)at;
    }

    private static byte[] Symbol(uint name) => [.. Int(name), 0x12, 0, .. Short(0), .. Long(0, 0)];

    private static byte[] Relocation(uint kind, uint symbol) => [.. Long(Base), .. Int(kind, symbol), .. Long(0)];

    private static byte[] Short(params ushort[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static byte[] Int(params uint[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static byte[] Long(params long[] values) => [.. values.SelectMany(BitConverter.GetBytes)];
}
