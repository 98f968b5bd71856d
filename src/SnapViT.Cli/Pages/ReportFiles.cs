using System.Text;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Cli.Pages;

/// <summary>Writes a report: the page, its table beside it, and its pictures where they are wanted.</summary>
internal static class ReportFiles
{
    /// <summary>Where the table of a page goes.</summary>
    public static string TableOf(string page) => Path.ChangeExtension(page, ".csv");

    /// <summary>Writes the files, each atomically.</summary>
    /// <param name="data">What they show.</param>
    /// <param name="page">The page; <see cref="TableOf"/> goes beside it.</param>
    /// <param name="figures">A new or empty folder for SVG and PNG; null for none.</param>
    /// <returns>The paths that were written.</returns>
    /// <exception cref="IOException">They cannot be written.</exception>
    public static IReadOnlyList<string> Write(ReportData data, string page, string? figures)
    {
        string table = TableOf(page);
        Write(page, ReportPage.Html(data));
        Write(table, new ReportTable(data.Models).ToCsv());
        if (figures is null)
        {
            return [page, table];
        }

        AtomicFolder.Write(figures, folder =>
        {
            foreach ((string name, Drawing drawing) in data.Models.SelectMany(model => new ReportFigures(model).All))
            {
                File.WriteAllText(Path.Combine(folder, $"{name}.svg"), drawing.ToFile());
                File.WriteAllBytes(Path.Combine(folder, $"{name}.png"), drawing.ToPng());
            }
        });
        return [page, table, figures];
    }

    private static void Write(string path, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }
}
