using System.Net;
using System.Text;

namespace SnapViT.Cli.Output;

/// <summary>A line chart as inline SVG; its colours are the page's classes.</summary>
internal sealed class SvgChart(string horizontal, string vertical, double low, double high)
{
    private const double Width = 720, Height = 340, Left = 56, Right = 16, Top = 34, Bottom = 44;
    private const int Ticks = 5;

    private readonly List<(string Name, string Class, IReadOnlyList<(double X, double Y)> Points, bool Line)> _series = [];

    /// <summary>Adds a series.</summary>
    public void Add(string name, string style, IReadOnlyList<(double X, double Y)> points, bool line = true) => _series.Add((name, style, points, line));

    /// <summary>The chart.</summary>
    public string Render()
    {
        double first = _series.Min(series => series.Points.Min(point => point.X));
        double last = Math.Max(first + 1e-9, _series.Max(series => series.Points.Max(point => point.X)));
        double span = Math.Max(high - low, 1e-9);
        StringBuilder svg = new(Figures.Invariant($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(vertical)} over {WebUtility.HtmlEncode(horizontal)}\">"));
        for (int tick = 0; tick <= Ticks; tick++)
        {
            double share = tick / (double)Ticks;
            double y = Y(low + (share * span)), x = X(first + (share * (last - first)));
            svg.Append(Figures.Invariant($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:0.#}\" y2=\"{y:0.#}\"/>"));
            svg.Append(Figures.Invariant($"<text x=\"{Left - 8}\" y=\"{y + 4:0.#}\" text-anchor=\"end\">{low + (share * span):0.##}</text>"));
            svg.Append(Figures.Invariant($"<text x=\"{x:0.#}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{first + (share * (last - first)):0.##}</text>"));
        }

        svg.Append(Figures.Invariant($"<text x=\"{Width - Right}\" y=\"{Height - 8}\" text-anchor=\"end\">{WebUtility.HtmlEncode(horizontal)}</text>"));
        svg.Append(Figures.Invariant($"<text x=\"{Left}\" y=\"14\">{WebUtility.HtmlEncode(vertical)}</text>"));
        double legend = Width - Right;
        foreach ((string name, string style, IReadOnlyList<(double X, double Y)> points, bool line) in _series)
        {
            if (line)
            {
                svg.Append(Figures.Invariant($"<polyline class=\"{style}\" points=\"")).AppendJoin(' ', points.Select(point => Figures.Invariant($"{X(point.X):0.#},{Y(point.Y):0.#}"))).Append("\"/>");
            }

            svg.AppendJoin("", points.Select(point => Figures.Invariant($"<circle class=\"d{style}\" r=\"3.5\" cx=\"{X(point.X):0.#}\" cy=\"{Y(point.Y):0.#}\"/>")));
            svg.Append(Figures.Invariant($"<text class=\"d{style}\" x=\"{legend:0.#}\" y=\"14\" text-anchor=\"end\">{WebUtility.HtmlEncode(name)}</text>"));
            legend -= (name.Length * 6.5) + 20;
        }

        return svg.Append("</svg>").ToString();

        double X(double value) => Left + ((value - first) / (last - first) * (Width - Left - Right));

        double Y(double value) => Height - Bottom - ((value - low) / span * (Height - Top - Bottom));
    }
}
