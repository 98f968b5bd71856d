using System.Buffers.Binary;
using BitMiracle.LibTiff.Classic;
using SkiaSharp;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>Small photos of every format that is read, with bytes changed, cut off, or with other sizes in their headers.</summary>
internal static class DamagedPhoto
{
    private const int Side = 24;

    private static readonly (string Name, byte[] Content)[] Photos =
    [
        ("photo.png", Encode(SKEncodedImageFormat.Png)), ("photo.jpg", Encode(SKEncodedImageFormat.Jpeg)),
        ("photo.webp", Encode(SKEncodedImageFormat.Webp)), ("photo.bmp", Bitmap()),
        ("photo.tif", Tiff()),
    ];

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random)
    {
        (string name, byte[] photo) = Photos[random.NextInt(Photos.Length)];
        byte[] damaged = random.NextInt(4) == 0 ? [.. photo] : FuzzInput.Damaged(photo, photo.Length, random);
        if (random.NextInt(4) == 0)
        {
            // A header may claim any size.
            int at = random.NextInt(Math.Min(64, damaged.Length - 4)), size = random.NextInt(1 << 17);
            size = random.NextInt(2) == 0 ? size : BinaryPrimitives.ReverseEndianness(size);
            BinaryPrimitives.WriteInt32BigEndian(damaged.AsSpan(at), size);
        }

        return new FuzzInput(name, [(name, random.NextInt(6) == 0 ? damaged[..random.NextInt(damaged.Length)] : damaged)], Expected: null)
        {
            Target = FuzzTarget.Photo,
        };
    }

    public static byte[] Encode(SKEncodedImageFormat format)
    {
        using SKBitmap bitmap = new(Side, Side);
        SeededRandom random = new(1);
        for (int i = 0; i < Side * Side; i++)
        {
            bitmap.SetPixel(i % Side, i / Side, new SKColor((byte)(i / 3), (byte)random.NextInt(256), (byte)i));
        }

        using SKData data = bitmap.Encode(format, quality: 90);
        return data.ToArray();
    }

    /// <summary>A TIFF of RGB in strips of LZW.</summary>
    public static byte[] Tiff() => FuzzInput.Bytes(path =>
    {
        using BitMiracle.LibTiff.Classic.Tiff tiff = BitMiracle.LibTiff.Classic.Tiff.Open(path, "w");
        tiff.SetField(TiffTag.IMAGEWIDTH, Side);
        tiff.SetField(TiffTag.IMAGELENGTH, Side);
        tiff.SetField(TiffTag.SAMPLESPERPIXEL, 3);
        tiff.SetField(TiffTag.BITSPERSAMPLE, 8);
        tiff.SetField(TiffTag.PHOTOMETRIC, Photometric.RGB);
        tiff.SetField(TiffTag.COMPRESSION, Compression.LZW);
        tiff.SetField(TiffTag.ROWSPERSTRIP, Side / 3);
        for (int row = 0; row < Side; row++)
        {
            tiff.WriteScanline([.. Enumerable.Range(0, Side * 3).Select(i => (byte)(i * row))], row);
        }
    });

    /// <summary>An uncompressed bitmap of 24 bits a pixel.</summary>
    private static byte[] Bitmap()
    {
        const int header = 54;
        byte[] bitmap = new byte[header + (Side * Side * 3)];
        "BM"u8.CopyTo(bitmap);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(2), bitmap.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(10), header);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(18), Side);
        BinaryPrimitives.WriteInt32LittleEndian(bitmap.AsSpan(22), Side);
        BinaryPrimitives.WriteInt16LittleEndian(bitmap.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(bitmap.AsSpan(28), 24);
        return bitmap;
    }
}
