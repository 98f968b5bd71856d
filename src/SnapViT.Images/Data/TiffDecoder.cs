using BitMiracle.LibTiff.Classic;

namespace SnapViT.Data;

/// <summary>
/// Decodes the first page of a TIFF to 8-bit RGB: grey, palette, RGB and JPEG's colours, with 8 or 16 bits a channel, in strips or tiles,
/// in any compression that LibTiff.NET knows. Of 16 bits the higher 8 count, as in PNG; alpha is dropped; other kinds are refused by name.
/// </summary>
internal sealed class TiffDecoder
{
    private const int Rgb = 3;

    private readonly Tiff _file;
    private readonly string _name;
    private readonly int _samples;
    private readonly int _bits;
    private readonly bool _isPlanar;
    private readonly Photometric _kind;
    private readonly byte[][]? _palette;
    private readonly byte[] _pixels;
    private readonly long _length;

    static TiffDecoder() => Tiff.SetErrorHandler(new Silence());

    private TiffDecoder(Tiff file, string name, Action<long>? reserve, long length, int mostPixels)
    {
        (_file, _name, _length) = (file, name, length);
        (Width, Height) = (Number(TiffTag.IMAGEWIDTH, 0), Number(TiffTag.IMAGELENGTH, 0));
        if (Width < 1 || Height < 1 || Math.Max(Width, Height) > ImageDecoder.MaxSide || (long)Width * Height > mostPixels)
        {
            throw Fault(
                $"expected sides of 1 to {ImageDecoder.MaxSide} and at most {mostPixels} pixels, found {Width} x {Height}");
        }

        if (Number(TiffTag.COMPRESSION, 1) == (int)Compression.JPEG)
        {
            file.SetField(TiffTag.JPEGCOLORMODE, JpegColorMode.RGB);
        }

        _samples = Number(TiffTag.SAMPLESPERPIXEL, 1);
        _bits = Number(TiffTag.BITSPERSAMPLE, 1);
        _isPlanar = Number(TiffTag.PLANARCONFIG, 1) == (int)PlanarConfig.SEPARATE;
        _kind = (Photometric)Number(TiffTag.PHOTOMETRIC, (int)Photometric.MINISBLACK);
        bool isJpeg = Number(TiffTag.COMPRESSION, 1) == (int)Compression.JPEG && _kind == Photometric.YCBCR;
        _kind = isJpeg ? Photometric.RGB : _kind;
        int least = _kind == Photometric.RGB ? Rgb : 1;
        bool isKnown = _bits is 8 or 16 && _samples >= least && _samples <= 16
            && _kind is Photometric.MINISBLACK or Photometric.MINISWHITE or Photometric.RGB or Photometric.PALETTE
            && !(_kind == Photometric.PALETTE && (_bits != 8 || _samples != 1))
            && Number(TiffTag.SAMPLEFORMAT, (int)SampleFormat.UINT) is (int)SampleFormat.UINT or (int)SampleFormat.VOID;
        if (!isKnown)
        {
            throw Fault(
                "expected a TIFF of grey, palette or RGB with 8 or 16 bits a channel and whole numbers, found "
                + $"{_kind} with {_samples} x {_bits} bits, {(SampleFormat)Number(TiffTag.SAMPLEFORMAT, 1)}");
        }

        _palette = _kind == Photometric.PALETTE ? Palette() : null;
        long part = file.IsTiled() ? file.TileSize() : file.StripSize();
        long memory = length + ((long)Width * Height * Rgb) + part;
        if (part <= 0 || memory > ImageDecoder.MaxBytes)
        {
            throw Fault($"expected strips and pixels of at most {ImageDecoder.MaxBytes >> 20} MiB together, found {memory >> 20} MiB");
        }

        reserve?.Invoke(memory);
        _pixels = new byte[(long)Width * Height * Rgb];
    }

    private int Width { get; }

    private int Height { get; }

    /// <summary>Whether bytes begin as a TIFF does, the large form included.</summary>
    public static bool Begins(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 8
        && (bytes.StartsWith("II*\0"u8) || bytes.StartsWith("MM\0*"u8) || bytes.StartsWith("II+\0"u8) || bytes.StartsWith("MM\0+"u8));

    /// <summary>Decodes the first page.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="reserve">Told how many bytes decoding takes before they are taken; null for nobody.</param>
    /// <param name="mostPixels">The most pixels it may have.</param>
    /// <exception cref="ImageException">It is damaged, cut short, too large, or of a kind that is not read.</exception>
    public static RgbImage Decode(ReadOnlyMemory<byte> bytes, string name, Action<long>? reserve, int mostPixels)
    {
        Silence.Begin();
        try
        {
            using Tiff file = Tiff.ClientOpen(name, "r", bytes, new MemorySource()) ?? throw Damaged(name);
            TiffDecoder decoder = new(file, name, reserve, bytes.Length, mostPixels);
            decoder.Read();
            return new RgbImage(decoder.Width, decoder.Height, decoder._pixels);
        }
        catch (Exception exception) when (exception is not (ImageException or OutOfMemoryException))
        {
            // What the library throws for a damaged file is of any kind: indices, casts, nulls.
            throw Damaged(name);
        }
    }

    private static ImageException Damaged(string name) =>
        new(name, $"the image is damaged or cut short{(Silence.Said is string said ? $" ({said})" : "")}");

    private ImageException Fault(string fault) => new(_name, fault);

    private int Number(TiffTag tag, int preset) => _file.GetFieldDefaulted(tag) is { Length: > 0 } values ? values[0].ToInt() : preset;

    private byte[][] Palette()
    {
        FieldValue[]? colours = _file.GetField(TiffTag.COLORMAP);
        short[][] maps = colours is { Length: 3 } ? [.. colours.Select(colour => colour.ToShortArray())] : [];
        return maps.Length == Rgb && maps.All(map => map is { Length: >= 256 })
            ? [.. maps.Select(map => Array.ConvertAll(map, value => (byte)((ushort)value >> 8)))]
            : throw Fault("expected a palette of 256 colours, found none");
    }

    private void Read()
    {
        int planes = _isPlanar ? Math.Min(_samples, _kind == Photometric.RGB ? Rgb : 1) : 1;
        for (int plane = 0; plane < planes; plane++)
        {
            if (_file.IsTiled())
            {
                ReadTiles(plane);
            }
            else
            {
                ReadStrips(plane);
            }
        }
    }

    private void ReadStrips(int plane)
    {
        int rows = Math.Min(Height, Math.Max(1, Number(TiffTag.ROWSPERSTRIP, Height) is int told and > 0 ? told : Height));
        byte[] strip = new byte[_file.StripSize()];
        int line = _file.ScanlineSize();
        for (int row = 0; row < Height; row += rows)
        {
            int count = Math.Min(rows, Height - row), bytes = checked(count * line);
            int at = _file.ComputeStrip(row, (short)plane);
            if (bytes > strip.Length || !IsInside(_file.RawStripSize(at)) || _file.ReadEncodedStrip(at, strip, 0, bytes) < bytes)
            {
                throw Damaged(_name);
            }

            Put(strip, line, row, 0, count, Width, plane);
        }
    }

    private void ReadTiles(int plane)
    {
        (int width, int height) = (Number(TiffTag.TILEWIDTH, 0), Number(TiffTag.TILELENGTH, 0));
        byte[] tile = new byte[_file.TileSize()];
        int line = _file.TileRowSize();
        if (width < 1 || height < 1 || (long)line * height > tile.Length)
        {
            throw Damaged(_name);
        }

        for (int row = 0; row < Height; row += height)
        {
            for (int column = 0; column < Width; column += width)
            {
                int at = _file.ComputeTile(column, row, 0, (short)plane);
                if (!IsInside(_file.RawTileSize(at)) || _file.ReadEncodedTile(at, tile, 0, tile.Length) < tile.Length)
                {
                    throw Damaged(_name);
                }

                Put(tile, line, row, column, Math.Min(height, Height - row), Math.Min(width, Width - column), plane);
            }
        }
    }

    /// <summary>Whether the file can hold so many compressed bytes: the library takes memory for as many as it is told.</summary>
    private bool IsInside(long bytes) => bytes >= 0 && bytes <= _length;

    /// <summary>Takes the pixels of a strip or a tile; the library gives 16-bit values in the machine's order.</summary>
    private void Put(byte[] part, int line, int top, int left, int rows, int columns, int plane)
    {
        int bytes = _bits / 8, samples = _isPlanar ? 1 : _samples;
        int high = bytes == 2 && BitConverter.IsLittleEndian ? 1 : 0;
        if ((long)columns * samples * bytes > line)
        {
            throw Damaged(_name);
        }

        for (int row = 0; row < rows; row++)
        {
            int from = (row * line) + high;
            int to = (((top + row) * Width) + left) * Rgb;
            for (int column = 0; column < columns; column++, from += samples * bytes, to += Rgb)
            {
                if (_kind == Photometric.RGB && _isPlanar)
                {
                    _pixels[to + plane] = part[from];
                }
                else
                {
                    for (int channel = 0; channel < Rgb; channel++)
                    {
                        byte value = part[from + (_kind == Photometric.RGB ? channel * bytes : 0)];
                        _pixels[to + channel] = _kind == Photometric.MINISWHITE ? (byte)~value : _palette?[channel][value] ?? value;
                    }
                }
            }
        }
    }

    /// <summary>The library writes faults to the console unless somebody takes them.</summary>
    private sealed class Silence : TiffErrorHandler
    {
        [ThreadStatic]
        private static string? said;

        public static string? Said => said;

        public static void Begin() => said = null;

        public override void ErrorHandler(Tiff tif, string method, string format, params object[] args) => said ??= Text(format, args);

        public override void ErrorHandlerExt(Tiff tif, object clientData, string method, string format, params object[] args)
        {
        }

        public override void WarningHandler(Tiff tif, string method, string format, params object[] args)
        {
        }

        public override void WarningHandlerExt(Tiff tif, object clientData, string method, string format, params object[] args)
        {
        }

        private static string Text(string format, object[] args)
        {
            string text = args.Length == 0 ? format : string.Format(System.Globalization.CultureInfo.InvariantCulture, format, args);
            return text.ReplaceLineEndings(" ");
        }
    }

    /// <summary>A file in memory, for the library.</summary>
    private sealed class MemorySource : TiffStream
    {
        private long _at;

        public override int Read(object clientData, byte[] buffer, int offset, int count)
        {
            ReadOnlyMemory<byte> bytes = (ReadOnlyMemory<byte>)clientData;
            int read = (int)Math.Clamp(bytes.Length - _at, 0, count);
            bytes.Span.Slice(read == 0 ? 0 : (int)_at, read).CopyTo(buffer.AsSpan(offset));
            _at += read;
            return read;
        }

        public override long Seek(object clientData, long offset, SeekOrigin origin) => _at = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => _at + offset,
            _ => Size(clientData) + offset,
        };

        public override long Size(object clientData) => ((ReadOnlyMemory<byte>)clientData).Length;

        public override void Close(object clientData)
        {
        }
    }
}
