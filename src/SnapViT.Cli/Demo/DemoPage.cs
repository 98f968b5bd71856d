using System.Net;
using System.Text;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Workflows;

namespace SnapViT.Cli.Demo;

/// <summary>The demo as one self-contained page: the images, the curves, the table and the widths of every block.</summary>
internal static class DemoPage
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c1e21;--dim:#5c6370;--paper:#fff;--line:#d7dae0;--a:#0b6bcb;--b:#c2410c}
        @media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa3b0;--paper:#16181c;--line:#3a3f47;--a:#6cb2ff;--b:#ff9b5e}}
        body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}p,figcaption{color:var(--dim)}
        table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
        td{white-space:nowrap}td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}
        .images{display:grid;grid-template-columns:repeat(auto-fill,minmax(6rem,1fr));gap:.6rem}.images figure{margin:0}.images img{width:100%;image-rendering:pixelated;border-radius:4px}
        figcaption{font-size:.8rem}svg{width:100%;height:auto}svg text{fill:var(--dim);font:12px system-ui,sans-serif}
        .grid{stroke:var(--line)}.a{stroke:var(--a);fill:none;stroke-width:2}.b{stroke:var(--b);fill:none;stroke-width:2}.da{fill:var(--a)}.db{fill:var(--b)}text.da{fill:var(--a)}text.db{fill:var(--b)}
        """;

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
            + Figures.Invariant($"and cut to {result.Rows.Count - 1} budgets without retraining. ")
            + Figures.Invariant($"What remains of a layer was re-fitted in closed form. All of it took {result.Seconds:0} seconds. ")
            + Figures.Invariant($"Accuracy was measured on {result.TestImages} other images with labels. Seed {result.Seed}."));
        Paragraph(html, "Random order: as many neurons and heads removed without scores, the layers re-fitted in the same way.");
        Section(html, "The task", Images(result.Seed));
        Section(html, "Accuracy kept per FLOP", Curves(result));
        Section(html, "The budgets", Table(result));
        Section(html, "What every block keeps", Widths(result));
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
        return "<p>Twelve classes, four shapes times three textures; neither alone tells them apart.</p><div class=\"images\">"
            + string.Concat(figures) + "</div>";
    }

    private static string Curves(DemoResult result)
    {
        SvgChart chart = new("FLOPs kept", "top-1", (0, 1));
        chart.Add("by scores", "a", Points(result.Rows));
        chart.Add("random order", "b", Points(result.Baseline));
        return chart.Render();

        IReadOnlyList<(double, double)> Points(IReadOnlyList<EvaluationRow> rows) =>
            [.. rows.Select(row => (row.Flops / (double)result.Rows[0].Flops, row.Top1 ?? 0))];
    }

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
        StringBuilder html = new("<div class=\"scroll\"><table><tr><th>FLOPs kept</th><th>MLP / heads removed</th><th>parameters</th>"
            + "<th>top-1</th><th>random order</th>");
        html.Append("<th>k-NN</th><th>random order</th><th>images/s</th></tr>");
        foreach ((EvaluationRow row, EvaluationRow baseline) in result.Rows.Zip(result.Baseline))
        {
            string[] cells =
            [
                Figures.Percent(row.Flops / (double)result.Rows[0].Flops),
                $"{Figures.Percent(row.Removed[Axis.Neurons])} / {Figures.Percent(row.Removed[Axis.Heads])}",
                Figures.Count(row.Parameters), Figures.Percent(row.Top1), Figures.Percent(baseline.Top1),
                Figures.Percent(row.Knn), Figures.Percent(baseline.Knn),
                Figures.Invariant($"{row.ImagesPerSecond:0}"),
            ];
            html.Append("<tr>").AppendJoin("", cells.Select(cell => $"<td>{WebUtility.HtmlEncode(cell)}</td>")).Append("</tr>");
        }

        return html.Append("</table></div>").ToString();
    }

    private static string Widths(DemoResult result)
    {
        int depth = result.Widths[0].Count;
        StringBuilder html = new("<div class=\"scroll\"><table><tr><th>FLOPs kept</th>");
        html.AppendJoin("", Enumerable.Range(0, depth).Select(block => Figures.Invariant($"<th>block {block}</th>"))).Append("</tr>");
        for (int index = 0; index < result.Rows.Count; index++)
        {
            EvaluationRow row = result.Rows[index];
            html.Append("<tr><td>").Append(Figures.Percent(row.Flops / (double)result.Rows[0].Flops)).Append("</td>");
            SubnetWidths widths = result.Widths[index];
            html.AppendJoin("", widths.Select(block => Figures.Invariant($"<td>{block[Axis.Neurons]} + {block[Axis.Heads]}</td>")))
                .Append("</tr>");
        }

        return html.Append("</table></div><p>MLP neurons + attention heads.</p>").ToString();
    }
}
