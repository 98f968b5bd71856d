using System.Net;
using System.Text;

namespace SnapViT.Cli.Pages;

/// <summary>A report as one self-contained page: nothing is fetched, and the same data gives the same bytes.</summary>
internal static class ReportPage
{
    /// <summary>The page.</summary>
    public static string Html(ReportData data)
    {
        StringBuilder html = new();
        html.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" ")
            .Append("content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" ")
                .Append("content=\"default-src 'none'; ")
            .Append("img-src data: blob:; style-src 'unsafe-inline'; ")
            .Append("script-src 'unsafe-inline'\"><link rel=\"icon\" href=\"data:,\"><title>")
            .Append(Text(data.Title)).Append("</title><style>").Append(Resource("report.css")).Append("</style></head><body>\n<h1>")
            .Append(Text(data.Title)).Append("</h1>");
        Paragraph(html, data.Lead);
        foreach (ReportModel model in data.Models)
        {
            if (data.Models.Count > 1)
            {
                html.Append("\n<h2>").Append(Text(model.Name)).Append("</h2>");
            }

            Model(html, model, data.Models.Count > 1 ? "h3" : "h2");
        }

        html.Append("\n<h2>Options, versions and hashes</h2>");
        foreach (RunFacts run in data.Facts)
        {
            html.Append("<details").Append(data.Facts.Count == 1 ? " open" : "").Append("><summary>").Append(Text(run.Title))
                .Append("</summary><table class=\"facts\"><tbody>");
            foreach ((string name, string value) in run.Rows)
            {
                html.Append("<tr><td>").Append(Text(name)).Append("</td><td>").Append(Text(value)).Append("</td></tr>");
            }

            html.Append("</tbody></table></details>");
        }

        return html.Append("\n<div id=\"tip\" role=\"status\" hidden></div><script>").Append(Resource("report.js"))
            .Append("</script></body></html>\n").ToString();
    }

    private static void Model(StringBuilder html, ReportModel model, string heading)
    {
        ReportFigures figures = new(model);
        if (figures.KeySentence is string sentence)
        {
            html.Append("<p class=\"key\">").Append(Text(sentence)).Append("</p>");
        }

        Heading(html, heading, "Accuracy");
        if (figures.Accuracy.Count == 0)
        {
            Note(html, "No accuracy was measured. 'snapvit eval MODEL --scores SCORES --test IMAGES --out eval.json' measures it; "
                + "then add eval.json to the report.");
        }
        else
        {
            if (figures.AccuracyNote.Length > 0)
            {
                Note(html, figures.AccuracyNote);
            }

            if (model.Warning is string warning)
            {
                html.Append("<p class=\"warning\" role=\"note\">").Append(Text(warning)).Append(".</p>");
            }

            Pictures(html, figures.Accuracy);
        }

        Meanings(html, model);
        if (model.Lines.Count > 0 && !model.Lines.Exists(line => line.IsBaseline))
        {
            Note(html,
                "No baseline was measured, so this says nothing about what the scores are worth. 'snapvit eval … --baselines' adds "
                + "random order, block-normalised scores and scores without search.");
        }

        if (model.Lines.Count > 0)
        {
            Heading(html, heading, "The budgets");
            Table(html, model);
        }

        Heading(html, heading, "What every block keeps");
        if (figures.Maps.Count == 0)
        {
            Note(html, "No run says what blocks keep. 'snapvit eval' and 'snapvit plan' with --json say it, and scores with a frontier.");
        }
        else
        {
            Note(html, $"{figures.MapsOf}. Budgets down, the whole model above; blocks across. "
                + "Strong colour is kept; where it fades, units are removed. "
                + "Tokens: those that leave the block.");
            Pictures(html, figures.Maps);
        }

        if (figures.Search.Count > 0)
        {
            Heading(html, heading, "The search");
            Note(html, figures.SearchNote);
            Pictures(html, figures.Search);
        }

        Heading(html, heading, "Images that change most");
        if (model.Changed is { } changed)
        {
            Note(html, $"The test images whose features move most from the whole model to {changed.Budget}, the farthest first. "
                + "Below each: what the whole model takes it for, and what the sub-network does, where they classify.");
            Photos(html, changed.Images);
        }
        else
        {
            Note(html, model.Missing.GetValueOrDefault("changed", "Not looked for."));
        }

        Heading(html, heading, "Photos that the model was scored on");
        if (model.Calibration.Count > 0)
        {
            Note(html,
                $"The first {model.Calibration.Count} of {model.Provenance.GetValueOrDefault("images", "them")}. Labels were not used.");
            Photos(html, model.Calibration);
        }
        else
        {
            Note(html, model.Missing.GetValueOrDefault("calibration", "Not named."));
        }
    }

    private static void Meanings(StringBuilder html, ReportModel model)
    {
        if (model.Lines.Count == 0)
        {
            return;
        }

        html.Append("<dl class=\"lines\">");
        foreach (ReportLine line in model.Lines)
        {
            html.Append("<dt>").Append(Text(line.Name)).Append(line.IsBaseline ? " (baseline)" : "").Append("</dt><dd>")
                .Append(Text(line.Meaning)).Append("</dd>");
        }

        html.Append("</dl>");
    }

    private static void Table(StringBuilder html, ReportModel model)
    {
        ReportTable table = new([model]);
        html.Append("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The budgets\"><table><thead><tr>")
            .AppendJoin("", table.Columns.Select(column => $"<th>{Text(column)}</th>")).Append("</tr></thead><tbody>");
        foreach ((bool isBaseline, IReadOnlyList<(string Figure, string? Interval)> cells) in table.Rows)
        {
            html.Append(isBaseline ? "<tr class=\"base\">" : "<tr>")
                .AppendJoin("", cells.Select(cell =>
                    $"<td>{Text(cell.Figure)}{(cell.Interval is null ? "" : $" <small>({Text(cell.Interval)})</small>")}</td>"))
                .Append("</tr>");
        }

        string name = ReportFigures.FileName(model.Name);
        html.Append("</tbody></table></div><div class=\"tools\"><button data-as=\"markdown\">copy the table</button>")
            .Append($"<button data-as=\"csv\" data-name=\"{name}\">save as CSV</button>");
        foreach ((string kind, string content) in new[] { ("markdown", table.ToMarkdown()), ("csv", table.ToCsv()) })
        {
            html.Append($"<script type=\"text/plain\" data-as=\"{kind}\">")
                .Append(content.Replace("<", "‹", StringComparison.Ordinal)).Append("</script>");
        }

        html.Append("</div>");
    }

    private static void Pictures(StringBuilder html, IReadOnlyList<(string Name, Drawing Drawing)> pictures)
    {
        html.Append("<div class=\"figures\">");
        foreach ((string name, Drawing drawing) in pictures)
        {
            html.Append("\n<figure>").Append(drawing.ToElement())
                .Append($"<div class=\"save\">save as <button data-as=\"svg\" data-name=\"{name}\">SVG</button>")
                .Append($"<button data-as=\"png\" data-name=\"{name}\">PNG</button></div></figure>");
        }

        html.Append("</div>");
    }

    private static void Photos(StringBuilder html, IReadOnlyList<Thumbnail> photos)
    {
        html.Append("<div class=\"photos\">");
        foreach (Thumbnail photo in photos)
        {
            string tip = WebUtility.HtmlEncode(photo.Tip).Replace("\n", "&#10;", StringComparison.Ordinal);
            html.Append($"<figure><img src=\"{photo.DataUri}\" ")
                .Append($"alt=\"{WebUtility.HtmlEncode(photo.Tip.Split('\n')[0])}\" data-tip=\"{tip}\">");
            if (photo.Caption.Length > 0)
            {
                html.Append("<figcaption>").Append(Text(photo.Caption)).Append("</figcaption>");
            }

            html.Append("</figure>");
        }

        html.Append("</div>");
    }

    private static void Heading(StringBuilder html, string heading, string title) => html.Append($"\n<{heading}>{Text(title)}</{heading}>");

    private static void Note(StringBuilder html, string text) => html.Append("<p class=\"note\">").Append(Text(text)).Append("</p>");

    private static void Paragraph(StringBuilder html, string text)
    {
        if (text.Length > 0)
        {
            html.Append("<p>").Append(Text(text)).Append("</p>");
        }
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Resource(string name)
    {
        using Stream stream = typeof(ReportPage).Assembly.GetManifestResourceStream($"SnapViT.Cli.Pages.{name}")
            ?? throw new InvalidOperationException($"no embedded resource {name}");
        using StreamReader reader = new(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
