using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;

namespace SnapViT.Cli.Pages;

/// <summary>A point of a series with the intervals of both coordinates.</summary>
internal sealed record ChartPoint(Interval X, Interval Y, string Tip);

/// <summary>A series of a chart.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Style">Which colour, dash and mark it has.</param>
/// <param name="Points">Its points, from left to right.</param>
/// <param name="HasLine">Whether they are joined.</param>
internal sealed record ChartSeries(string Name, int Style, IReadOnlyList<ChartPoint> Points, bool HasLine = true);

/// <summary>A bar of a chart.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Share">Its length, 0..1; longer ones end at the edge.</param>
/// <param name="Style">Which colour it has.</param>
internal sealed record ChartBar(string Name, double Share, int Style);

/// <summary>Charts that can be read on a phone: narrow, with the legend below.</summary>
internal static class Charts
{
    private const double Width = 360, Left = 46, Right = 14, Top = 26, PlotHeight = 190, AxisHeight = 38, LegendRow = 18;
    private const double MapLeft = 56, MapTop = 22, LeastCell = 3, MostCell = 20, MapBottom = 34;

    /// <summary>Rows of a map have labels where they are at least so high.</summary>
    private const double LabelHeight = 13;

    /// <summary>A chart of series over two axes.</summary>
    public static Drawing Lines(string horizontal, string vertical, IReadOnlyList<ChartSeries> series)
    {
        ChartPoint[] all = [.. series.SelectMany(entry => entry.Points)];
        ChartAxis across = ChartAxis.Around(
            all.Min(point => point.X.Low ?? point.X.Value), all.Max(point => point.X.High ?? point.X.Value));
        ChartAxis up = ChartAxis.Around(
            all.Min(point => point.Y.Low ?? point.Y.Value), all.Max(point => point.Y.High ?? point.Y.Value));
        (double X, double Y, ChartSeries Entry)[] legend = [.. Legend(series)];
        double bottom = Top + PlotHeight;
        Drawing drawing = new($"{vertical} over {horizontal}", Width, legend.Max(entry => entry.Y) + 10);
        foreach ((double value, string label) in up.Ticks)
        {
            drawing.GridLine(Left, Y(value), Width - Right, Y(value));
            drawing.Text(Left - 6, Y(value) + 4, label, TextAnchor.End);
        }

        foreach ((double value, string label) in across.Ticks)
        {
            drawing.GridLine(X(value), bottom, X(value), bottom + 4);
            drawing.Text(X(value), bottom + 17, label, TextAnchor.Middle);
        }

        drawing.Text(4, 13, vertical);
        drawing.Text(Width - Right, bottom + 33, horizontal, TextAnchor.End);
        foreach (ChartSeries entry in series)
        {
            foreach (ChartPoint point in entry.Points)
            {
                if (point.Y is { Low: double low, High: double high })
                {
                    drawing.Whisker(X(point.X.Value), Y(low), X(point.X.Value), Y(high), entry.Style);
                }

                if (point.X is { Low: double from, High: double to })
                {
                    drawing.Whisker(X(from), Y(point.Y.Value), X(to), Y(point.Y.Value), entry.Style);
                }
            }
        }

        foreach (ChartSeries entry in series.Where(entry => entry.HasLine))
        {
            drawing.Line([.. entry.Points.Select(point => (X(point.X.Value), Y(point.Y.Value)))], entry.Style);
        }

        // The method comes first and is drawn last, over what it is compared with.
        foreach (ChartSeries entry in series.Reverse())
        {
            foreach (ChartPoint point in entry.Points)
            {
                drawing.Mark(X(point.X.Value), Y(point.Y.Value), entry.Style, point.Tip);
            }
        }

        foreach ((double x, double y, ChartSeries entry) in legend)
        {
            if (entry.HasLine)
            {
                drawing.Line([(x, y - 4), (x + 22, y - 4)], entry.Style);
            }

            drawing.Mark(x + 11, y - 4, entry.Style);
            drawing.Text(x + 27, y, entry.Name);
        }

        return drawing;

        double X(double value) => Left + ((value - across.Low) / (across.High - across.Low) * (Width - Left - Right));

        double Y(double value) => bottom - ((value - up.Low) / (up.High - up.Low) * PlotHeight);
    }

    /// <summary>What every block keeps of an axis: sub-networks down, blocks across, the share as darkness.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="units">Units of the axis in a whole block.</param>
    /// <param name="rows">Sub-networks with their names, each with a width per block.</param>
    public static Drawing Map(AxisFacts axis, int units, IReadOnlyList<(string Name, IReadOnlyList<int> Widths)> rows)
    {
        int blocks = rows[0].Widths.Count;
        double cell = (Width - MapLeft - Right) / blocks;
        double height = Math.Clamp(200.0 / rows.Count, LeastCell, MostCell);
        double bottom = MapTop + (rows.Count * height);
        Drawing drawing = new($"{axis.Label} that every block keeps, by budget", Width, bottom + MapBottom);
        drawing.Text(4, 13, Figures.Invariant($"{axis.Label}, of {units} in a block"));
        int everyRow = (int)Math.Ceiling(LabelHeight / height), everyBlock = (int)Math.Ceiling(18 / cell);
        for (int row = 0; row < rows.Count; row++)
        {
            double top = MapTop + (row * height);
            if (row % everyRow == 0)
            {
                drawing.Text(MapLeft - 6, top + (height / 2) + 4, rows[row].Name, TextAnchor.End);
            }

            for (int block = 0; block < blocks; block++)
            {
                int kept = rows[row].Widths[block];
                drawing.Cell(
                    MapLeft + (block * cell), top, cell, height, kept / (double)units,
                    Figures.Invariant($"{rows[row].Name}, block {block}\nkeeps {kept} of {units} {axis.Label}"));
            }
        }

        for (int block = 0; block < blocks; block += everyBlock)
        {
            drawing.Text(MapLeft + ((block + 0.5) * cell), bottom + 15, $"{block}", TextAnchor.Middle);
        }

        drawing.Text(Width - Right, bottom + 30, "block", TextAnchor.End);
        drawing.Text(4, bottom + 15, "FLOPs");
        return drawing;
    }

    /// <summary>Bars of shares, each under its name.</summary>
    /// <param name="title">What the shares are of.</param>
    /// <param name="bars">The bars, from top to bottom.</param>
    /// <param name="legend">Which colour means what.</param>
    public static Drawing Bars(string title, IReadOnlyList<ChartBar> bars, IReadOnlyList<(int Style, string Name)> legend)
    {
        const double left = 12, right = 60, top = 44, row = 30;
        double bottom = top + (bars.Count * row), length = Width - left - right;
        Drawing drawing = new(title, Width, bottom + 24);
        drawing.Text(4, 13, title);
        double x = left;
        foreach ((int style, string name) in legend)
        {
            drawing.Mark(x, 28, style);
            drawing.Text(x + 9, 32, name);
            x += 27 + (name.Length * Drawing.LetterWidth);
        }

        foreach ((double value, string label) in ChartAxis.Within(0, 1).Ticks)
        {
            drawing.GridLine(left + (value * length), top, left + (value * length), bottom);
            drawing.Text(left + (value * length), bottom + 17, label, TextAnchor.Middle);
        }

        for (int i = 0; i < bars.Count; i++)
        {
            double y = top + (i * row) + 21, end = left + (Math.Clamp(bars[i].Share, 0, 1) * length);
            drawing.Text(left, y - 8, bars[i].Name);
            drawing.Whisker(left, y, end, y, bars[i].Style);
            drawing.Mark(end, y, bars[i].Style, $"{bars[i].Name}\n{Figures.Percent(bars[i].Share)}");
            drawing.Text(Width - 4, y + 4, Figures.Percent(bars[i].Share), TextAnchor.End);
        }

        return drawing;
    }

    /// <summary>Where the entries of a legend stand, in rows below the chart.</summary>
    private static IEnumerable<(double X, double Y, ChartSeries Entry)> Legend(IReadOnlyList<ChartSeries> series)
    {
        (double x, double y) = (8, Top + PlotHeight + AxisHeight + 14);
        foreach (ChartSeries entry in series)
        {
            double width = 27 + (entry.Name.Length * Drawing.LetterWidth) + 14;
            if (x > 8 && x + width > Width)
            {
                (x, y) = (8, y + LegendRow);
            }

            yield return (x, y, entry);
            x += width;
        }
    }
}
