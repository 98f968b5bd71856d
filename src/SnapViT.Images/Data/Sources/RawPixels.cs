using System.Buffers.Binary;

namespace SnapViT.Data.Sources;

/// <summary>Small images that a file holds as bare pixels, red, green and blue after each other: shown as uncompressed BMP.</summary>
internal static class RawPixels
{
    private const int Header = 54;
    private const int Channels = 3;

    /// <summary>Bytes of a square image in its file.</summary>
    public static int Bytes(int side) => Channels * side * side;

    /// <summary>An image whose pixels stand in other bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="location">Where it is, for messages.</param>
    /// <param name="source">What holds it.</param>
    /// <param name="position">Where its pixels begin, [3, side, side].</param>
    /// <param name="side">Pixels of a side, a multiple of 4.</param>
    /// <param name="label">Its class; null where it is not known.</param>
    public static ImageEntry Entry(string name, string location, SourceBytes source, long position, int side, int? label) =>
        ImageEntry.FromStream(name, Header + Bytes(side), () => Open(source, position, side), label, location);

    private static MemoryStream Open(SourceBytes source, long position, int side)
    {
        byte[] planes = new byte[Bytes(side)];
        source.ReadExactly(position, planes);
        byte[] bitmap = new byte[Header + planes.Length];
        (bitmap[0], bitmap[1], bitmap[10], bitmap[14], bitmap[26], bitmap[28]) = ((byte)'B', (byte)'M', Header, 40, 1, 24);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(2), bitmap.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(18), side);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(22), side);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(34), planes.Length);
        for (int row = 0, to = Header; row < side; row++)
        {
            int from = (side - 1 - row) * side;
            for (int column = 0; column < side; column++, to += Channels)
            {
                for (int channel = 0; channel < Channels; channel++)
                {
                    bitmap[to + channel] = planes[((Channels - 1 - channel) * side * side) + from + column];
                }
            }
        }

        return new MemoryStream(bitmap, writable: false);
    }
}
