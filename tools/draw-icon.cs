// Draws src/icon.png, the icon of the packages: blocks of a network, of which the most important units are kept. Run: dotnet run tools/draw-icon.cs
#:property RestorePackagesWithLockFile=false
using System.Buffers.Binary;
using System.IO.Compression;

const int Size = 128, Fine = 4, Columns = 5, Left = 16, Step = 20, Bar = 16, Top = 20, Bottom = 108;
int[] kept = [76, 62, 48, 60, 36];

byte[] rows = new byte[Size * (1 + (Size * 4))];
for (int y = 0; y < Size; y++)
{
    for (int x = 0; x < Size; x++)
    {
        int[] sums = new int[4];
        for (int part = 0; part < Fine * Fine; part++)
        {
            byte[] colour = ColourAt(x + (((part % Fine) + 0.5) / Fine), y + (((part / Fine) + 0.5) / Fine));
            for (int c = 0; c < 4; c++)
            {
                sums[c] += c == 3 ? colour[3] : colour[c] * colour[3];
            }
        }

        int at = (y * (1 + (Size * 4))) + 1 + (x * 4);
        for (int c = 0; c < 3; c++)
        {
            rows[at + c] = (byte)(sums[3] == 0 ? 0 : sums[c] / sums[3]);
        }

        rows[at + 3] = (byte)(sums[3] / (Fine * Fine));
    }
}

string target = Path.Combine(AppContext.GetData("EntryPointFileDirectoryPath") as string ?? "tools", "..", "src", "icon.png");
using FileStream file = File.Create(target);
file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
byte[] header = new byte[13];
BinaryPrimitives.WriteInt32BigEndian(header, Size);
BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), Size);
header[8] = 8;
header[9] = 6;
WriteChunk("IHDR"u8, header);
using MemoryStream packed = new();
using (ZLibStream zlib = new(packed, CompressionLevel.SmallestSize, leaveOpen: true))
{
    zlib.Write(rows);
}

WriteChunk("IDAT"u8, packed.ToArray());
WriteChunk("IEND"u8, []);

byte[] ColourAt(double x, double y)
{
    if (!InRounded(x, y, 0, 0, Size, Size, 26))
    {
        return [0, 0, 0, 0];
    }

    for (int column = 0; column < Columns; column++)
    {
        double start = Left + (column * Step);
        if (InRounded(x, y, start, Bottom - kept[column], start + Bar, Bottom, 4))
        {
            return [255, 196, 61, 255];
        }

        if (InRounded(x, y, start, Top, start + Bar, Bottom, 4))
        {
            return [58, 84, 138, 255];
        }
    }

    return [24, 38, 74, 255];
}

bool InRounded(double x, double y, double left, double top, double right, double bottom, double radius)
{
    double dx = Math.Max(Math.Max(left + radius - x, x - (right - radius)), 0), dy = Math.Max(Math.Max(top + radius - y, y - (bottom - radius)), 0);
    return x >= left && x < right && y >= top && y < bottom && (dx * dx) + (dy * dy) <= radius * radius;
}

void WriteChunk(ReadOnlySpan<byte> kind, byte[] data)
{
    byte[] number = new byte[4];
    BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
    file.Write(number);
    byte[] whole = [.. kind, .. data];
    file.Write(whole);
    uint crc = uint.MaxValue;
    foreach (byte value in whole)
    {
        crc ^= value;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (crc >> 1) ^ (0xEDB88320u & (0 - (crc & 1)));
        }
    }

    BinaryPrimitives.WriteUInt32BigEndian(number, ~crc);
    file.Write(number);
}
