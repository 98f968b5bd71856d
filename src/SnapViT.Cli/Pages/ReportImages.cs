using System.Globalization;
using SnapViT.Cli.Output;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Workflows;

namespace SnapViT.Cli.Pages;

/// <summary>Puts photos on a page: those that were scored on, and the test images that change most.</summary>
/// <param name="photos">The photos to score on; null for the path that the run names.</param>
/// <param name="test">The test images; null for the path that the run names.</param>
internal sealed class ReportImages(string? photos = null, string? test = null)
{
    private const int CalibrationShown = 24, ChangedShown = 8;

    /// <summary>The share of the FLOPs whose sub-network is looked at: where something is lost, and not all.</summary>
    private const double Looked = 0.5;

    /// <summary>Adds what can be shown of a model, and what is missing and why.</summary>
    public void AddTo(ReportModel model)
    {
        AddChanged(model);
        ImageSet? scored = AddCalibration(model);
        AddScored(model, scored);
    }

    /// <summary>
    /// How many test images were scored, where the run does not say it: by what the scores keep, else by the photos themselves.
    /// </summary>
    private void AddScored(ReportModel model, ImageSet? scored)
    {
        if (model.ScoredTestImages is null && model.TestSha256 is not null && (test ?? model.TestPath) is string path
            && Open(path, SplitUse.Test) is ImageSet images && images.Hash() == model.TestSha256)
        {
            model.ScoredTestImages = ScoredImages.CountIn(
                model.Scored.Count > 0 || scored is null ? model.Scored : ScoredImages.Of(scored),
                model.Provenance.GetValueOrDefault(ScoredImages.SetHash), images);
        }
    }

    private void AddChanged(ReportModel model)
    {
        ReportRow? row = model.Lines.Where(line => !line.IsBaseline).Take(1).SelectMany(line => line.Rows)
            .Where(row => row.Changed.Count > 0).MinBy(row => Math.Abs((model.FlopShare(row) ?? 0) - Looked));
        if (row is null)
        {
            model.Missing["changed"] = "No run says which images change: 'snapvit eval … --out eval.json' does.";
            return;
        }

        string? path = test ?? model.TestPath;
        if (path is null || Open(path, SplitUse.Test) is not ImageSet images)
        {
            model.Missing["changed"] = $"The test images are not at {path ?? "a path that the run names"}: --test DIR says where they are.";
            return;
        }

        Dictionary<string, ImageEntry> named = [];
        foreach (ImageEntry entry in images.Entries)
        {
            named.TryAdd(entry.Name, entry);
        }

        List<Thumbnail> shown = [];
        foreach (ChangedImage changed in row.Changed.Where(changed => named.ContainsKey(changed.Name)).Take(ChangedShown))
        {
            string classes = changed.Before is null ? ""
                : changed.Before == changed.After ? $"still {Short(changed.Before)}"
                : $"{Short(changed.Before)} → {Short(changed.After ?? "?")}";
            string distance = changed.Distance.ToString("0.000", CultureInfo.InvariantCulture);
            Add(shown, named[changed.Name], classes.Length > 0 ? classes : distance,
                $"{changed.Name}\nfeatures moved by {distance}\n{classes}".Trim());
        }

        if (shown.Count == 0)
        {
            model.Missing["changed"] = $"{path} holds none of the images that the run measured: --test DIR says where they are.";
            return;
        }

        model.Changed = (Figures.Percent(model.FlopShare(row) ?? 0, 0) + " of the FLOPs", shown);
    }

    /// <summary>Adds some of the photos that were scored.</summary>
    /// <returns>All of them; null where they are not found.</returns>
    private ImageSet? AddCalibration(ReportModel model)
    {
        string? path = photos ?? model.PhotosPath;
        if (path is null || Open(path, SplitUse.Photos) is not ImageSet images)
        {
            model.Missing["calibration"] = path is null
                ? "No photos were named: --images DIR adds those that the model was scored on."
                : $"The photos are not at {path}: --images DIR says where they are.";
            return null;
        }

        if (int.TryParse(model.Provenance.GetValueOrDefault("images"), CultureInfo.InvariantCulture, out int count)
            && ulong.TryParse(model.Provenance.GetValueOrDefault("seed"), CultureInfo.InvariantCulture, out ulong seed))
        {
            images = images.Sample(count, seed);
        }

        string? hash = model.Provenance.GetValueOrDefault(ScoredImages.SetHash);
        if (hash is not null && images.Hash() != hash)
        {
            model.Missing["calibration"] = $"{path} holds other photos than the scores were made from: --images DIR says where those are.";
            return null;
        }

        List<Thumbnail> shown = [];
        foreach (ImageEntry entry in images.Entries)
        {
            if (shown.Count < CalibrationShown)
            {
                Add(shown, entry, "", entry.Name);
            }
        }

        model.Calibration = shown;
        return hash is null ? null : images;
    }

    private static string Short(string name) => name.Split(',')[0];

    private static void Add(List<Thumbnail> shown, ImageEntry entry, string caption, string tip)
    {
        try
        {
            shown.Add(new Thumbnail(Thumbnails.DataUri(entry), caption, tip));
        }
        catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            // One that cannot be read is not shown; the run itself lists it.
        }
    }

    /// <summary>The images of a path; null where there is nothing.</summary>
    private static ImageSet? Open(string path, SplitUse use)
    {
        try
        {
            return ImageSource.Open(path).Choose(use).Open(new Wanted(Labels: false));
        }
        catch (Exception exception) when (exception is SnapViTException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
