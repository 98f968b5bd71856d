using System.Net;
using System.Text;

namespace SnapViT.Cli.Output;

/// <summary>A line chart as inline SVG; its colours are the page's classes.</summary>
/// <param name="horizontal">What the horizontal axis is.</param>
/// <param name="vertical">What the vertical axis is.</param>
/// <param name="range">Values of the vertical axis; null for those of the series.</param>
internal sealed class SvgChart(string horizontal, string vertical, (double Low, double High)? range = null)
{
    private const double Width = 720, Height = 340, Left = 56, Right = 16, Top = 34, Bottom = 44;

    private readonly List<(string Name, string Class, IReadOnlyList<(double X, double Y)> Points, bool Line)> _series = [];

    /// <summary>Adds a series.</summary>
    public void Add(string name, string style, IReadOnlyList<(double X, double Y)> points, bool line = true) =>
        _series.Add((name, style, points, line));

    /// <summary>The chart.</summary>
    public string Render()
    {
        (double X, double Y)[] all = [.. _series.SelectMany(series => series.Points)];
        ChartAxis across = ChartAxis.Within(all.Min(point => point.X), all.Max(point => point.X));
        ChartAxis up = ChartAxis.Around(range?.Low ?? all.Min(point => point.Y), range?.High ?? all.Max(point => point.Y));
        StringBuilder svg = new(
            Figures.Invariant($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" ")
            + $"aria-label=\"{WebUtility.HtmlEncode(vertical)} over {WebUtility.HtmlEncode(horizontal)}\">");
        foreach ((double value, string label) in up.Ticks)
        {
            svg.Append(Figures.Invariant(
                $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(value):0.#}\" y2=\"{Y(value):0.#}\"/>"));
            svg.Append(Figures.Invariant($"<text x=\"{Left - 8}\" y=\"{Y(value) + 4:0.#}\" text-anchor=\"end\">{label}</text>"));
        }

        foreach ((double value, string label) in across.Ticks)
        {
            svg.Append(Figures.Invariant($"<text x=\"{X(value):0.#}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{label}</text>"));
        }

        svg.Append(Figures.Invariant(
            $"<text x=\"{Width - Right}\" y=\"{Height - 8}\" text-anchor=\"end\">{WebUtility.HtmlEncode(horizontal)}</text>"));
        svg.Append(Figures.Invariant($"<text x=\"{Left}\" y=\"14\">{WebUtility.HtmlEncode(vertical)}</text>"));
        double legend = Width - Right;
        foreach ((string name, string style, IReadOnlyList<(double X, double Y)> points, bool line) in _series)
        {
            if (line)
            {
                svg.Append(Figures.Invariant($"<polyline class=\"{style}\" points=\""))
                    .AppendJoin(' ', points.Select(point => Figures.Invariant($"{X(point.X):0.#},{Y(point.Y):0.#}")))
                    .Append("\"/>");
            }

            svg.AppendJoin("", points.Select(point => Figures.Invariant(
                $"<circle class=\"d{style}\" r=\"3.5\" cx=\"{X(point.X):0.#}\" cy=\"{Y(point.Y):0.#}\"/>")));
            svg.Append(Figures.Invariant(
                $"<text class=\"d{style}\" x=\"{legend:0.#}\" y=\"14\" text-anchor=\"end\">{WebUtility.HtmlEncode(name)}</text>"));
            legend -= (name.Length * 6.5) + 20;
        }

        return svg.Append("</svg>").ToString();

        double X(double value) => Left + ((value - across.Low) / (across.High - across.Low) * (Width - Left - Right));

        double Y(double value) => Height - Bottom - ((value - up.Low) / (up.High - up.Low) * (Height - Top - Bottom));
    }
}
