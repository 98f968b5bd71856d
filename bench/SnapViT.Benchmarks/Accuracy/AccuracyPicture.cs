using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using SnapViT.Cli.Roofline;
using SnapViT.Core.Architecture;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>
/// Draws a table of <see cref="AccuracyCommand"/> as one picture for the README: held-out top-1 over the FLOPs that are left. The picture holds what
/// the table holds and nothing else, so it is redone by one command whenever the table is.
/// </summary>
internal static partial class AccuracyPicture
{
    public const string Name = "picture";

    private const double Width = 720, Height = 380, Left = 56, Right = 32, Top = 20, Bottom = 52;

    /// <summary>Methods of the table, what the picture calls them, and their line.</summary>
    private static readonly (string Method, string Label, string Style)[] Lines =
    [
        ("recommended, affine", "snapvit build (default)", "a"),
        ("ssl + search, none", "the paper's method", "b"),
        ("random, affine", "random scores, corrected", "c"),
    ];

    /// <summary>Draws a picture.</summary>
    /// <param name="args"><c>TABLE.md --out FILE.svg</c>.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args)
    {
        if (args is not [string table, "--out", string picture])
        {
            Console.Error.WriteLine($"usage: {Name} TABLE.md --out FILE.svg");
            return 2;
        }

        File.WriteAllText(picture, Draw(Read(File.ReadLines(table))));
        return 0;
    }

    /// <summary>Points (share of the FLOPs, top-1 in percent) of every line.</summary>
    private static Dictionary<string, List<(double Flops, double Top1)>> Read(IEnumerable<string> table)
    {
        Dictionary<string, List<(double, double)>> points = Lines.ToDictionary(line => line.Method, _ => new List<(double, double)>());
        double share = 1;
        foreach (string row in table)
        {
            if (Heading().Match(row) is { Success: true } heading)
            {
                share = FlopsLeft(Number(heading.Groups[1].Value) / 100, Number(heading.Groups[2].Value) / 100);
            }
            else if (Cells().Match(row) is { Success: true } cells)
            {
                string method = cells.Groups[1].Value;
                foreach ((string line, List<(double, double)> found) in points)
                {
                    if (method == line || method == "unpruned")
                    {
                        found.Add((share, Number(cells.Groups[2].Value)));
                    }
                }
            }
        }

        return points;
    }

    /// <summary>The share of a DeiT-Ti's FLOPs that is left.</summary>
    private static double FlopsLeft(double neurons, double heads)
    {
        ViTArchitecture a = RandomModel.Tiny;
        double removed = (neurons * a.Depth * a.MlpDim * CostModel.UnitFlops(a, Axis.Neurons)) + (heads * a.Depth * a.Heads * CostModel.UnitFlops(a, Axis.Heads));
        return 1 - (removed / CostModel.Flops(a, a.FullWidths));
    }

    private static string Draw(Dictionary<string, List<(double Flops, double Top1)>> points)
    {
        double least = points.Values.SelectMany(line => line).Min(point => point.Flops);
        StringBuilder svg = new();
        Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"Top-1 over FLOPs left\">");
        svg.Append("<style>text{font:14px system-ui,sans-serif;fill:#24292f}.g{stroke:#d0d7de}polyline{fill:none;stroke-width:2.5}");
        svg.Append(".a{stroke:#0969da}.b{stroke:#bc4c00;stroke-dasharray:7 4}.c{stroke:#6e7781;stroke-dasharray:2 4}");
        svg.Append(".da{fill:#0969da}.db{fill:#bc4c00}.dc{fill:#6e7781}");
        svg.Append("@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#3d444d}.a{stroke:#58a6ff}.b{stroke:#f0883e}.c{stroke:#8b949e}");
        svg.Append(".da{fill:#58a6ff}.db{fill:#f0883e}.dc{fill:#8b949e}}</style>");
        for (int top1 = 0; top1 <= 80; top1 += 20)
        {
            Append($"<line class=\"g\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(top1):0.#}\" y2=\"{Y(top1):0.#}\"/>");
            Append($"<text x=\"{Left - 8}\" y=\"{Y(top1) + 5:0.#}\" text-anchor=\"end\">{top1} %</text>");
        }

        for (double flops = Math.Ceiling(least * 10) / 10; flops <= 1.001; flops += 0.1)
        {
            Append($"<text x=\"{X(flops):0.#}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\">{flops * 100:0} %</text>");
        }

        Append($"<text x=\"{Width - Right}\" y=\"{Height - 8}\" text-anchor=\"end\">FLOPs left (DeiT-Ti/16, no retraining)</text>");
        Append($"<text x=\"{Left}\" y=\"{Height - 8}\">top-1, 744 held-out photos, mean of 3 seeds</text>");
        double legend = Height - Bottom - 80;
        foreach ((string method, string label, string style) in Lines)
        {
            IEnumerable<string> path = points[method].OrderBy(point => point.Flops).Select(point => FormattableString.Invariant($"{X(point.Flops):0.#},{Y(point.Top1):0.#}"));
            Append($"<polyline class=\"{style}\" points=\"{string.Join(' ', path)}\"/>");
            foreach ((double flops, double top1) in points[method])
            {
                Append($"<circle class=\"d{style}\" r=\"4\" cx=\"{X(flops):0.#}\" cy=\"{Y(top1):0.#}\"/>");
            }

            Append($"<text class=\"d{style}\" x=\"{Width - Right - 4}\" y=\"{legend:0.#}\" text-anchor=\"end\">{label}</text>");
            legend += 22;
        }

        return svg.Append("</svg>\n").ToString();

        void Append(FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture));

        double X(double flops) => Left + ((flops - least) / (1 - least) * (Width - Left - Right));

        double Y(double top1) => Height - Bottom - (top1 / 85 * (Height - Top - Bottom));
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^## MLP (\d+) % removed, heads (\d+) %")]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\| ([^|]+?) \| [\d.]+ \| ([\d.]+)")]
    private static partial Regex Cells();
}
