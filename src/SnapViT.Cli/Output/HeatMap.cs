using System.Text;
using SkiaSharp;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Cli.Output;

/// <summary>A matrix of a model's parts as a picture: SVG with a pixel for every pair, and a line between blocks.</summary>
internal static class HeatMap
{
    private const int Margin = 70, Size = 640, Bar = 24;

    /// <summary>Colours of 0 to 1, from dark to light, in steps of the same lightness: readable in grey and to the colour-blind.</summary>
    private static readonly (double R, double G, double B)[] Colours =
        [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)];

    /// <summary>Writes the picture.</summary>
    /// <param name="path">The file.</param>
    /// <param name="matrix">Values of 0..1, [n, n] with n = L + L A: MLPs of all blocks, then heads block by block.</param>
    /// <param name="architecture">The model's architecture.</param>
    public static void Write(string path, double[,] matrix, ViTArchitecture architecture)
    {
        string svg = Svg(matrix, architecture);
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(svg)));
    }

    private static string Svg(double[,] matrix, ViTArchitecture a)
    {
        int n = matrix.GetLength(0);
        double cell = Size / (double)n;
        StringBuilder svg = new();
        string all = Figures.Invariant($"{Size + (2 * Margin)}");
        svg.Append(Figures.Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {all} {all}\" font-family=\"sans-serif\" "))
            .Append("font-size=\"12\"><title>Centred kernel alignment of MLPs and heads</title>")
            .Append("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")
            .Append(Figures.Invariant($"<image x=\"{Margin}\" y=\"{Margin}\" width=\"{Size}\" height=\"{Size}\" "))
            .Append("style=\"image-rendering:pixelated\" href=\"data:image/png;base64,")
            .Append(Convert.ToBase64String(Png(matrix))).Append("\"/>");
        AddLabel(svg, Margin + (a.Depth * cell / 2), "MLPs");
        for (int block = 0; block < a.Depth; block++)
        {
            double from = Margin + ((a.Depth + (block * a.Heads)) * cell);
            svg.Append(Figures.Invariant($"<path d=\"M{from:0.#} {Margin}v{Size}M{Margin} {from:0.#}h{Size}\" stroke=\"#fff\" "))
                .Append("stroke-opacity=\"0.6\" stroke-width=\"0.7\"/>");
            AddLabel(svg, from + (a.Heads * cell / 2), block == 0 ? "heads 0" : Figures.Invariant($"{block}"));
        }

        for (int step = 0; step < Size; step++)
        {
            svg.Append(Figures.Invariant($"<rect x=\"{Margin + step}\" y=\"{Margin + Size + 12}\" width=\"1.5\" height=\"{Bar / 2}\" "))
                .Append($"fill=\"{Hex(step / (double)(Size - 1))}\"/>");
        }

        svg.Append(Figures.Invariant($"<text x=\"{Margin}\" y=\"{Margin + Size + Bar + 16}\">0</text>"))
            .Append(Figures.Invariant($"<text x=\"{Margin + Size}\" y=\"{Margin + Size + Bar + 16}\" text-anchor=\"end\">1</text>"));
        return svg.Append("</svg>").ToString();
    }

    private static void AddLabel(StringBuilder svg, double at, string text) => svg
        .Append(Figures.Invariant($"<text x=\"{at:0.#}\" y=\"{Margin - 8}\" text-anchor=\"middle\">{text}</text>"))
        .Append(Figures.Invariant($"<text x=\"{Margin - 8}\" y=\"{at + 4:0.#}\" text-anchor=\"end\">{text}</text>"));

    private static byte[] Png(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        using SKBitmap bitmap = new(n, n);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                bitmap.SetPixel(j, i, SKColor.Parse(Hex(matrix[i, j])));
            }
        }

        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static string Hex(double value)
    {
        double place = Math.Clamp(value, 0, 1) * (Colours.Length - 1);
        int below = Math.Min((int)place, Colours.Length - 2);
        double part = place - below;
        ((double r, double g, double b), (double R, double G, double B) above) = (Colours[below], Colours[below + 1]);
        return $"#{Mix(r, above.R):x2}{Mix(g, above.G):x2}{Mix(b, above.B):x2}";

        int Mix(double low, double high) => (int)Math.Round(low + (part * (high - low)));
    }
}
