using SkiaSharp;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Cli.Output;

/// <summary>A picture of some images of a set: a row for each class, or a seeded choice where there are no classes.</summary>
internal static class ContactSheet
{
    private const int Columns = 8;
    private const int MostRows = 20;
    private const int Cell = 96;
    private const int Gap = 4;
    private const int Margin = 12;
    private const int Heading = 30;
    private const int MostLetters = 22;

    /// <summary>Images that a class has on average at least where it gets a row.</summary>
    private const int FewestOfClass = 3;

    private static readonly SKColor Paper = SKColors.White;
    private static readonly SKColor Ink = new(0x22, 0x22, 0x22);
    private static readonly SKColor Missing = new(0xdd, 0xdd, 0xdd);

    /// <summary>Writes the picture.</summary>
    /// <param name="path">The PNG file to write; atomically.</param>
    /// <param name="images">The images.</param>
    /// <param name="title">What they are.</param>
    /// <param name="seed">Seed of the choice.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, ImageSet images, string title, ulong seed)
    {
        (string Name, ImageEntry[] Entries)[] rows = Rows(images, seed);
        int letters = Math.Min(MostLetters, rows.Max(row => row.Name.Length));
        int left = Margin + (letters * SmallLetters.Advance) + (letters > 0 ? Margin : 0);
        using SKBitmap bitmap = new(
            left + (Columns * (Cell + Gap)) + Margin,
            Heading + (rows.Length * (Cell + Gap)) + Margin,
            SKColorType.Rgba8888,
            SKAlphaType.Opaque);
        using SKCanvas canvas = new(bitmap);
        canvas.Clear(Paper);
        SmallLetters.Draw(canvas, $"{title}: {images.Count} images, {images.Classes.Count} classes", Margin, Margin, Ink);
        for (int row = 0; row < rows.Length; row++)
        {
            int top = Heading + (row * (Cell + Gap));
            string name = rows[row].Name;
            SmallLetters.Draw(canvas, name.Length > MostLetters ? name[..MostLetters] : name, Margin, top + (Cell / 2) - 5, Ink);
            for (int column = 0; column < rows[row].Entries.Length; column++)
            {
                DrawImage(canvas, rows[row].Entries[column], left + (column * (Cell + Gap)), top);
            }
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        AtomicFile.Write(path, stream => png.SaveTo(stream));
    }

    /// <summary>The rows of the picture: classes spread over all of them where there are many.</summary>
    private static (string Name, ImageEntry[] Entries)[] Rows(ImageSet images, ulong seed)
    {
        ILookup<int?, ImageEntry> byLabel = images.Entries.ToLookup(entry => entry.Label);
        int[] labels = [.. byLabel.Select(group => group.Key).OfType<int>().Order()];
        if (labels.Length == 0 || images.Count < FewestOfClass * labels.Length)
        {
            return [.. images.Sample(Columns * Columns, seed).Entries.Chunk(Columns).Select(chunk => ("", chunk))];
        }

        int count = Math.Min(MostRows, labels.Length);
        return
        [
            .. Enumerable.Range(0, count).Select(row => labels[(int)((long)row * labels.Length / count)])
                .Select(label => (NameOf(images, label), Some([.. byLabel[label]], seed))),
        ];
    }

    private static string NameOf(ImageSet images, int label) =>
        images.Classes.Count > 0 ? images.Classes[label].Split(',')[0] : $"{label}";

    private static ImageEntry[] Some(ImageEntry[] entries, ulong seed)
    {
        SeededRandom.ForPurpose(seed, "contact sheet").Shuffle(entries.AsSpan());
        return [.. entries.Take(Columns)];
    }

    private static void DrawImage(SKCanvas canvas, ImageEntry entry, int left, int top)
    {
        try
        {
            RgbImage image = entry.Decode();
            using SKBitmap bitmap = Bitmap(image);
            float scale = Math.Min((float)Cell / image.Width, (float)Cell / image.Height);
            (float width, float height) = (image.Width * scale, image.Height * scale);
            SKSamplingOptions sampling = scale > 1
                ? new SKSamplingOptions(SKFilterMode.Nearest)
                : new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear);
            using SKImage drawn = SKImage.FromBitmap(bitmap);
            canvas.DrawImage(drawn, SKRect.Create(left + ((Cell - width) / 2), top + ((Cell - height) / 2), width, height), sampling);
        }
        catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            using SKPaint paint = new() { Color = Missing };
            canvas.DrawRect(SKRect.Create(left, top, Cell, Cell), paint);
            SmallLetters.Draw(canvas, "unreadable", left + 8, top + (Cell / 2) - 5, Ink);
        }
    }

    private static SKBitmap Bitmap(RgbImage image)
    {
        SKBitmap bitmap = new(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> rgba = bitmap.GetPixelSpan();
        for (int row = 0, to = 0; row < image.Height; row++)
        {
            ReadOnlySpan<byte> rgb = image.Row(row);
            for (int from = 0; from < rgb.Length; from += 3, to += 4)
            {
                (rgba[to], rgba[to + 1], rgba[to + 2], rgba[to + 3]) = (rgb[from], rgb[from + 1], rgb[from + 2], byte.MaxValue);
            }
        }

        return bitmap;
    }
}

/// <summary>Letters of three by five dots, since the drawing library has no fonts of its own and machines have different ones.</summary>
internal static class SmallLetters
{
    /// <summary>Pixels from a letter to the next.</summary>
    public const int Advance = 4 * Dot;

    private const int Dot = 2;

    /// <summary>A letter is five rows of three dots, each row a digit whose bits are the dots.</summary>
    private const string Letters =
        "A25755B65656C34443D65556E74647F74644G34553H55755I72227J11152K55655L44447M57755N65555O25552P65644Q25563R65655S34216T72222"
        + "U55557V55552W55775X55255Y55222Z71247-00700_00007.00002#57575/11244:02020,00024(12221)42224'22000+02720%51245=07070 00000?71202";

    private const string Digits = "75557" + "26227" + "71747" + "71717" + "55711" + "74717" + "74757" + "71122" + "75757" + "75717";

    /// <summary>Draws a line of text; small letters are drawn as capitals, others as a question mark.</summary>
    public static void Draw(SKCanvas canvas, string text, int left, int top, SKColor colour)
    {
        using SKPaint paint = new() { Color = colour, IsAntialias = false };
        for (int i = 0; i < text.Length; i++)
        {
            string rows = RowsOf(char.ToUpperInvariant(text[i]));
            for (int row = 0; row < rows.Length; row++)
            {
                for (int column = 0; column < 3; column++)
                {
                    if (((rows[row] - '0') >> (2 - column) & 1) == 1)
                    {
                        canvas.DrawRect(left + (i * Advance) + (column * Dot), top + (row * Dot), Dot, Dot, paint);
                    }
                }
            }
        }
    }

    private static string RowsOf(char letter)
    {
        if (char.IsAsciiDigit(letter))
        {
            return Digits.Substring((letter - '0') * 5, 5);
        }

        for (int at = 0; at < Letters.Length; at += 6)
        {
            if (Letters[at] == letter)
            {
                return Letters.Substring(at + 1, 5);
            }
        }

        return RowsOf('?');
    }
}
