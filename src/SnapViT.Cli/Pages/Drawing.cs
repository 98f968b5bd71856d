using System.Net;
using System.Text;
using SkiaSharp;
using SnapViT.Cli.Output;

namespace SnapViT.Cli.Pages;

/// <summary>Where text begins at its point.</summary>
internal enum TextAnchor
{
    Start,
    Middle,
    End,
}

/// <summary>
/// A picture of lines, marks, areas and text, in units of which a phone's width has about 360. The same shapes become a part of a page,
/// whose style sheet colours them, an SVG file, or a PNG file.
/// </summary>
/// <param name="label">What it shows, for those who do not see it.</param>
/// <param name="width">Its width.</param>
/// <param name="height">Its height.</param>
internal sealed class Drawing(string label, double width, double height)
{
    /// <summary>Height of letters.</summary>
    public const double Letters = 12;

    /// <summary>About the width of a letter.</summary>
    public const double LetterWidth = 6.4;

    /// <summary>Colours of series; where there are more, those of one colour differ in their marks and dashes.</summary>
    public const int Styles = 8;

    /// <summary>Pixels for each unit in PNG files.</summary>
    private const float PngScale = 3;

    private const double MarkSize = 3.6, TouchSize = 11;

    /// <summary>Colours of series on white, told apart with any colour vision (Okabe and Ito, 2008; the light ones darkened).</summary>
    private static readonly string[] Colours =
        ["#0072b2", "#c24e00", "#00805d", "#a34f85", "#8a6200", "#3d6fb5", "#5c6370", "#1c1e21"];

    private static readonly string[] Dashes = ["", "7 4", "2 4", "9 3 2 3", "5 3", "1 3", "12 4", "3 2"];

    private readonly List<Shape> _shapes = [];

    /// <summary>What it shows.</summary>
    public string Label { get; } = label;

    /// <summary>A line of the grid.</summary>
    public void GridLine(double x1, double y1, double x2, double y2) => _shapes.Add(new LineShape([(x1, y1), (x2, y2)], null, 1));

    /// <summary>The line of a series.</summary>
    public void Line(IReadOnlyList<(double X, double Y)> points, int style) => _shapes.Add(new LineShape(points, style, 2));

    /// <summary>A thin line of a series that is never dashed, such as an interval.</summary>
    public void Whisker(double x1, double y1, double x2, double y2, int style) =>
        _shapes.Add(new LineShape([(x1, y1), (x2, y2)], style % Styles, 1.2) { IsSolid = true });

    /// <summary>A mark of a series; its form goes with the series, so that colour is not needed.</summary>
    /// <param name="x">Its centre.</param>
    /// <param name="y">Its centre.</param>
    /// <param name="style">The series.</param>
    /// <param name="tip">What a hover, a tap or a key shows; null for nothing.</param>
    public void Mark(double x, double y, int style, string? tip = null) => _shapes.Add(new MarkShape(x, y, style, tip));

    /// <summary>A cell of a map.</summary>
    /// <param name="x">Its left.</param>
    /// <param name="y">Its top.</param>
    /// <param name="w">Its width.</param>
    /// <param name="h">Its height.</param>
    /// <param name="share">How dark it is, 0..1.</param>
    /// <param name="tip">What a hover, a tap or a key shows.</param>
    public void Cell(double x, double y, double w, double h, double share, string? tip) =>
        _shapes.Add(new CellShape(x, y, w, h, Math.Clamp(share, 0, 1), tip));

    /// <summary>A line of text.</summary>
    public void Text(double x, double y, string text, TextAnchor anchor = TextAnchor.Start, int? style = null) =>
        _shapes.Add(new TextShape(x, y, text, anchor, style % Styles));

    /// <summary>The picture as an element of a page.</summary>
    public string ToElement() => Svg("");

    /// <summary>The picture as a file of its own, on white.</summary>
    public string ToFile()
    {
        StringBuilder style = new("<style>text{font:12px system-ui,sans-serif;fill:#4a505c}.grid{stroke:#d7dae0}polyline,.line{fill:none}");
        style.Append(".cell{fill:#0072b2;stroke:#d7dae0;stroke-width:.5}.touch{fill:none}");
        for (int i = 0; i < Styles; i++)
        {
            style.Append(Figures.Invariant($".s{i}{{stroke:{Colours[i]}}}.f{i},text.f{i}{{fill:{Colours[i]}}}"));
        }

        return Svg(style.Append("</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>").ToString()) + "\n";
    }

    /// <summary>The picture as PNG, on white.</summary>
    public byte[] ToPng()
    {
        using SKBitmap bitmap = new((int)(width * PngScale), (int)(height * PngScale), SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKCanvas canvas = new(bitmap);
        canvas.Clear(SKColors.White);
        canvas.Scale(PngScale);
        using Lettering lettering = new((float)Letters);
        foreach (Shape shape in _shapes)
        {
            shape.Draw(canvas, lettering);
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private static string N(double value) => Figures.Invariant($"{value:0.##}");

    private static string Tip(string? tip) => tip is null
        ? ""
        : $" tabindex=\"0\" data-tip=\"{WebUtility.HtmlEncode(tip).Replace("\n", "&#10;", StringComparison.Ordinal)}\" "
            + $"role=\"img\" aria-label=\"{WebUtility.HtmlEncode(tip.Replace("\n", ", ", StringComparison.Ordinal))}\"";

    private string Svg(string head)
    {
        StringBuilder svg = new();
        svg.Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {N(width)} {N(height)}\" role=\"figure\" ")
            .Append($"aria-label=\"{WebUtility.HtmlEncode(Label)}\">").Append(head);
        _shapes.ForEach(shape => shape.Write(svg));
        return svg.Append("</svg>").ToString();
    }

    private static SKColor ColourOf(int? style) => style is int series ? SKColor.Parse(Colours[series]) : new SKColor(0xd7, 0xda, 0xe0);

    private abstract record Shape
    {
        public abstract void Write(StringBuilder svg);

        public abstract void Draw(SKCanvas canvas, Lettering lettering);
    }

    private sealed record LineShape(IReadOnlyList<(double X, double Y)> Points, int? Style, double Thickness) : Shape
    {
        public bool IsSolid { get; init; }

        /// <summary>Of series of the same colour the dashes differ, as the marks do.</summary>
        private string Dash => Style is int style && !IsSolid ? Dashes[(style + (style / Styles)) % Dashes.Length] : "";

        public override void Write(StringBuilder svg)
        {
            string dash = Dash.Length > 0 ? $" stroke-dasharray=\"{Dash}\"" : "";
            string kind = Style is int style ? Figures.Invariant($"line s{style % Styles}") : "grid";
            svg.Append($"<polyline class=\"{kind}\" stroke-width=\"{N(Thickness)}\"{dash} points=\"")
                .AppendJoin(' ', Points.Select(point => $"{N(point.X)},{N(point.Y)}")).Append("\"/>");
        }

        public override void Draw(SKCanvas canvas, Lettering lettering)
        {
            float[] dashes = [.. Dash.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(float.Parse)];
            using SKPaint paint = new()
            {
                Color = ColourOf(Style % Styles),
                StrokeWidth = (float)Thickness,
                IsStroke = true,
                IsAntialias = true,
            };
            using SKPathEffect? effect = dashes.Length > 0 ? SKPathEffect.CreateDash(dashes, 0) : null;
            paint.PathEffect = effect;
            canvas.DrawPoints(
                SKPointMode.Polygon,
                [.. Points.Select(point => new SKPoint((float)point.X, (float)point.Y))],
                paint);
        }
    }

    private sealed record MarkShape(double X, double Y, int Style, string? Tip) : Shape
    {
        /// <summary>Corners around the centre; none for a circle.</summary>
        private (double X, double Y)[] Corners => (Style % 6) switch
        {
            1 => [(-1, -1), (1, -1), (1, 1), (-1, 1)],
            2 => [(0, -1.25), (1.2, 0.95), (-1.2, 0.95)],
            3 => [(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)],
            4 => [(0, 1.25), (1.2, -0.95), (-1.2, -0.95)],
            5 => [(-1.5, -0.45), (1.5, -0.45), (1.5, 0.45), (-1.5, 0.45)],
            _ => [],
        };

        public override void Write(StringBuilder svg)
        {
            svg.Append(Figures.Invariant($"<g class=\"mark f{Style % Styles}\"")).Append(Drawing.Tip(Tip)).Append('>');
            if (Corners is { Length: > 0 } corners)
            {
                svg.Append("<path d=\"M")
                    .AppendJoin('L', corners.Select(corner => $"{N(X + (MarkSize * corner.X))} {N(Y + (MarkSize * corner.Y))}"))
                    .Append("Z\"/>");
            }
            else
            {
                svg.Append($"<circle cx=\"{N(X)}\" cy=\"{N(Y)}\" r=\"{N(MarkSize)}\"/>");
            }

            if (Tip is not null)
            {
                svg.Append($"<circle class=\"touch\" cx=\"{N(X)}\" cy=\"{N(Y)}\" r=\"{N(TouchSize)}\"/>");
            }

            svg.Append("</g>");
        }

        public override void Draw(SKCanvas canvas, Lettering lettering)
        {
            using SKPaint paint = new() { Color = ColourOf(Style % Styles), IsAntialias = true };
            if (Corners is not { Length: > 0 } corners)
            {
                canvas.DrawCircle((float)X, (float)Y, (float)MarkSize, paint);
                return;
            }

            using SKPathBuilder outline = new();
            outline.MoveTo(At(corners[0]));
            foreach ((double X, double Y) corner in corners.Skip(1))
            {
                outline.LineTo(At(corner));
            }

            outline.Close();
            using SKPath path = outline.Detach();
            canvas.DrawPath(path, paint);

            SKPoint At((double X, double Y) corner) => new((float)(X + (MarkSize * corner.X)), (float)(Y + (MarkSize * corner.Y)));
        }
    }

    private sealed record CellShape(double X, double Y, double W, double H, double Share, string? Tip) : Shape
    {
        public override void Write(StringBuilder svg) => svg
            .Append($"<rect class=\"cell\" x=\"{N(X)}\" y=\"{N(Y)}\" width=\"{N(W)}\" height=\"{N(H)}\" fill-opacity=\"{N(Share)}\"")
            .Append(Drawing.Tip(Tip).Replace(" tabindex=\"0\"", "", StringComparison.Ordinal)).Append("/>");

        public override void Draw(SKCanvas canvas, Lettering lettering)
        {
            SKRect area = SKRect.Create((float)X, (float)Y, (float)W, (float)H);
            using SKPaint fill = new() { Color = ColourOf(0).WithAlpha((byte)Math.Round(Share * byte.MaxValue)) };
            canvas.DrawRect(area, fill);
            using SKPaint edge = new() { Color = ColourOf(null), IsStroke = true, StrokeWidth = 0.5f, IsAntialias = true };
            canvas.DrawRect(area, edge);
        }
    }

    private sealed record TextShape(double X, double Y, string Content, TextAnchor Anchor, int? Style) : Shape
    {
        public override void Write(StringBuilder svg)
        {
            string anchor = Anchor == TextAnchor.Start ? "" : $" text-anchor=\"{Anchor.ToString().ToLowerInvariant()}\"";
            string colour = Style is int style ? Figures.Invariant($" class=\"f{style}\"") : "";
            svg.Append($"<text x=\"{N(X)}\" y=\"{N(Y)}\"{anchor}{colour}>{WebUtility.HtmlEncode(Content)}</text>");
        }

        public override void Draw(SKCanvas canvas, Lettering lettering) => lettering.Draw(
            canvas, Content, X, Y, Anchor, Style is int style ? ColourOf(style) : new SKColor(0x4a, 0x50, 0x5c));
    }
}

/// <summary>
/// Text of PNG files. The drawing library finds no fonts on Linux; the first of the usual ones is taken from its file, and where there is
/// none, letters are of dots.
/// </summary>
internal sealed class Lettering : IDisposable
{
    private static readonly string[] Folders = ["/usr/share/fonts", "/usr/local/share/fonts"];
    private static readonly string[] Names = ["DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "FreeSans.ttf"];

    private readonly SKFont? _font;

    public Lettering(float size) => _font = Typeface() is SKTypeface typeface ? new SKFont(typeface, size) : null;

    /// <summary>Draws a line of text.</summary>
    public void Draw(SKCanvas canvas, string text, double x, double y, TextAnchor anchor, SKColor colour)
    {
        if (_font is null)
        {
            double width = text.Length * SmallLetters.Advance;
            double left = anchor == TextAnchor.Start ? x : anchor == TextAnchor.Middle ? x - (width / 2) : x - width;
            SmallLetters.Draw(canvas, text, (int)left, (int)y - 9, colour);
            return;
        }

        using SKPaint paint = new() { Color = colour, IsAntialias = true };
        SKTextAlign align = anchor == TextAnchor.Start ? SKTextAlign.Left
            : anchor == TextAnchor.Middle ? SKTextAlign.Center : SKTextAlign.Right;
        canvas.DrawText(text, (float)x, (float)y, align, _font, paint);
    }

    /// <inheritdoc/>
    public void Dispose() => _font?.Dispose();

    private static SKTypeface? Typeface()
    {
        using (SKFont font = new(SKTypeface.Default))
        {
            if (font.ContainsGlyphs("a"))
            {
                return SKTypeface.Default;
            }
        }

        ILookup<string, string> files = Folders.Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.ttf", SearchOption.AllDirectories))
            .Order(StringComparer.Ordinal).ToLookup(file => Path.GetFileName(file));
        return Names.SelectMany(name => files[name]).Select(file => SKTypeface.FromFile(file)).FirstOrDefault(face => face is not null);
    }
}
