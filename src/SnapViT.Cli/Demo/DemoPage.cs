using System.Net;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;

namespace SnapViT.Cli.Demo;

/// <summary>The demo as one self-contained page: the images, the curves, the table and the widths of every block.</summary>
internal static class DemoPage
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c1e21;--dim:#5c6370;--paper:#fff;--line:#d7dae0}
        :root{--a:#0b6bcb;--b:#c2410c;--c:#0f766e;--e:#7c5cbf}
        @media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa3b0;--paper:#16181c;--line:#3a3f47}
        :root{--a:#6cb2ff;--b:#ff9b5e;--c:#4fd1c0;--e:#b79cff}}
        body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}p,figcaption{color:var(--dim)}
        table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
        td{white-space:nowrap}td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}
        .images{display:grid;grid-template-columns:repeat(auto-fill,minmax(6rem,1fr));gap:.6rem}.images figure{margin:0}
        .images img{width:100%;image-rendering:pixelated;border-radius:4px}
        figcaption{font-size:.8rem}svg{width:100%;height:auto}svg text{fill:var(--dim);font:12px system-ui,sans-serif}
        .grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}
        .a{stroke:var(--a)}.b{stroke:var(--b);stroke-dasharray:2 5}.c{stroke:var(--c);stroke-dasharray:9 4}
        .e{stroke:var(--e);stroke-dasharray:5 3}.da,text.da{fill:var(--a)}.db,text.db{fill:var(--b)}
        .dc,text.dc{fill:var(--c)}.de,text.de{fill:var(--e)}
        .maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1.2rem}.maps table{font-size:.75rem}
        .maps td,.maps th{padding:.1rem .25rem;text-align:center;border:0}.maps caption{text-align:left;font-weight:600}
        .maps td[style]{background:color-mix(in srgb,var(--a) calc(var(--k)*70%),transparent)}
        """;

    /// <summary>Classes of the lines, in their order.</summary>
    private static readonly string[] Styles = ["a", "c", "e", "b"];

    /// <summary>The page.</summary>
    public static string Html(DemoResult result)
    {
        StringBuilder html = new();
        html.Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
            + "content=\"width=device-width,initial-scale=1\"><title>SnapViT demo</title><style>")
            .Append(Style).Append("</style></head><body><h1>One Vision Transformer, every size</h1>");
        string search = result.Fitness.Count > 1
            ? Figures.Invariant($", its blocks weighed against each other in {result.Fitness.Count - 1} evaluations,")
            : "";
        Paragraph(html, Figures.Invariant(
            $"A small trained ViT was scored on {result.Photos} unlabelled images{search} ")
            + Figures.Invariant($"and cut to {result.Lines[0].Places.Count - 1} budgets without retraining. ")
            + Figures.Invariant($"What remains of a layer was re-fitted in closed form. All of it took {result.Seconds:0} seconds. ")
            + Figures.Invariant($"Accuracy was measured on {result.TestImages} other images with labels. Seed {result.Seed}."));
        Section(html, "The task", Images(result.Seed));
        Section(html, "Accuracy kept per FLOP", Curves(result));
        Section(html, "The budgets", Table(result));
        Section(html, "What every block keeps", Maps(result.Lines[0].Places));
        if (result.Fitness.Count > 0)
        {
            Section(html, "The search", Search(result.Fitness));
        }

        return html.Append("</body></html>\n").ToString();
    }

    private static void Paragraph(StringBuilder html, string text) => html.Append("<p>").Append(WebUtility.HtmlEncode(text)).Append("</p>");

    private static void Section(StringBuilder html, string title, string content) =>
        html.Append("<h2>").Append(WebUtility.HtmlEncode(title)).Append("</h2>").Append(content);

    private static string Images(ulong seed)
    {
        IEnumerable<string> figures = Enumerable.Range(0, ShapeTextureImages.Classes).Select(label =>
        {
            byte[] png = DemoImages.Png(
                ShapeTextureImages.Draw(label, SeededRandom.ForPurpose(seed, $"demo page/{label}"), Difficulty.Demo));
            string name = WebUtility.HtmlEncode(ShapeTextureImages.Name(label));
            return $"<figure><img alt=\"{name}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\">"
                + $"<figcaption>{name}</figcaption></figure>";
        });
        return Figures.Invariant($"<p>{ShapeTextureImages.Classes} classes, shapes times textures; neither alone tells them apart.</p>")
            + "<div class=\"images\">"
            + string.Concat(figures) + "</div>";
    }

    private static string Curves(DemoResult result)
    {
        SvgChart chart = new("FLOPs kept", "top-1", (0, 1));
        foreach ((DemoLine line, string style) in result.Lines.Zip(Styles))
        {
            chart.Add(line.Name, style, [.. line.Places.Select(place => (Share(result, place), place.Row.Top1 ?? 0))]);
        }

        return chart.Render()
            + string.Concat(result.Lines.Select(line => $"<p>{WebUtility.HtmlEncode($"{line.Name}: {line.Meaning}")}</p>"));
    }

    private static double Share(DemoResult result, DemoPlace place) => place.Row.Flops / (double)result.Whole.Flops;

    private static string Search(IReadOnlyList<double> fitness)
    {
        double[] best = [.. fitness.Select((_, index) => fitness.Take(index + 1).Min())];
        SvgChart chart = new("evaluation", "fitness (1 - cosine to the unpruned features)");
        chart.Add("best so far", "a", [.. best.Select((value, index) => ((double)index, value))]);
        chart.Add("candidate", "b", [.. fitness.Select((value, index) => ((double)index, value))], line: false);
        return chart.Render();
    }

    private static string Table(DemoResult result)
    {
        StringBuilder html = new("<div class=\"scroll\"><table><tr><th>FLOPs kept</th>");
        html.AppendJoin("", result.Lines.Select(line => $"<th>{WebUtility.HtmlEncode(line.Name)}</th>"));
        html.Append("<th>k-NN</th><th>parameters</th><th>images/s</th></tr>");
        for (int budget = 0; budget < result.Lines[0].Places.Count; budget++)
        {
            DemoPlace place = result.Lines[0].Places[budget];
            string[] cells =
            [
                Figures.Percent(Share(result, place)),
                .. result.Lines.Select(line => Figures.Percent(line.Places[budget].Row.Top1)),
                Figures.Percent(place.Row.Knn), Figures.Count(place.Row.Parameters), Figures.Invariant($"{place.Row.ImagesPerSecond:0}"),
            ];
            html.Append("<tr>").AppendJoin("", cells.Select(cell => $"<td>{WebUtility.HtmlEncode(cell)}</td>")).Append("</tr>");
        }

        return html.Append("</table></div><p>Top-1 of every way of cutting; k-NN, parameters and images/s of all axes.</p>").ToString();
    }

    /// <summary>A map for every axis: budgets down, blocks across, what is kept as shade and number.</summary>
    private static string Maps(IReadOnlyList<DemoPlace> places)
    {
        ViTArchitecture a = DemoModel.Architecture;
        StringBuilder html = new("<div class=\"maps\">");
        foreach (AxisFacts row in AxisTable.Rows)
        {
            html.Append("<table><caption>").Append(WebUtility.HtmlEncode(row.Label)).Append("</caption><tr><th></th>");
            html.AppendJoin("", Enumerable.Range(0, a.Depth).Select(block => Figures.Invariant($"<th>{block}</th>"))).Append("</tr>");
            foreach (DemoPlace place in places)
            {
                html.Append(Figures.Invariant($"<tr><th>{place.Budget ?? "1"}</th>"));
                html.AppendJoin("", place.Widths.Select(block => Figures.Invariant(
                    $"<td style=\"--k:{block[row.Axis] / (double)row.Count(a):0.##}\">{block[row.Axis]}</td>"))).Append("</tr>");
            }

            html.Append("</table>");
        }

        return html.Append("</div><p>Share of the FLOPs kept down, blocks across: the units that a block keeps. ")
            .Append("Tokens: those that leave the block.</p>").ToString();
    }
}
