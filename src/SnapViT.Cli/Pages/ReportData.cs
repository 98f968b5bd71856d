using SnapViT.Core.Architecture;
using SnapViT.Workflows;

namespace SnapViT.Cli.Pages;

/// <summary>A figure with its interval.</summary>
/// <param name="Value">The figure.</param>
/// <param name="Low">Where the interval begins; null where there is none.</param>
/// <param name="High">Where it ends.</param>
internal sealed record Interval(double Value, double? Low = null, double? High = null);

/// <summary>What is known of one sub-network.</summary>
internal sealed record ReportRow
{
    /// <summary>The budget as <c>--budgets</c> takes it; null for the whole model.</summary>
    public string? Budget { get; init; }

    /// <summary>FLOPs of one image.</summary>
    public required double Flops { get; init; }

    /// <summary>Learned parameters.</summary>
    public required double Parameters { get; init; }

    /// <summary>What the latency table says, in milliseconds; null without a table.</summary>
    public double? LatencyMs { get; init; }

    /// <summary>Accuracies 0..1 by their names (<see cref="ReportModel.Metrics"/>).</summary>
    public required IReadOnlyDictionary<string, Interval> Accuracy { get; init; }

    /// <summary>Images a second; null where the spread is not known.</summary>
    public Interval? Speed { get; init; }

    /// <summary>Distance from the whole model by the frontier; null where the plan is not of one.</summary>
    public double? Distance { get; init; }

    /// <summary>What every block keeps, a row per block; empty where it is not known.</summary>
    public IReadOnlyList<IReadOnlyDictionary<Axis, int>> Blocks { get; init; } = [];

    /// <summary>The test images whose features moved most, the farthest first.</summary>
    public IReadOnlyList<ChangedImage> Changed { get; init; } = [];
}

/// <summary>An image whose features moved.</summary>
/// <param name="Name">Its name in the set.</param>
/// <param name="Distance">1 - cosine between the features of the whole model and the sub-network's.</param>
/// <param name="Before">What the whole model takes it for; null without a classifier.</param>
/// <param name="After">What the sub-network takes it for.</param>
internal sealed record ChangedImage(string Name, double Distance, string? Before, string? After);

/// <summary>One way of cutting a model, over its budgets.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Meaning">What is cut and by what; empty for nothing to say.</param>
/// <param name="IsBaseline">Whether it is what others are compared with.</param>
/// <param name="Rows">Its sub-networks.</param>
internal sealed record ReportLine(string Name, string Meaning, bool IsBaseline, IReadOnlyList<ReportRow> Rows);

/// <summary>A picture with its caption.</summary>
internal sealed record Thumbnail(string DataUri, string Caption, string Tip);

/// <summary>Options, versions and hashes of one run.</summary>
internal sealed record RunFacts(string Title, IReadOnlyList<(string Name, string Value)> Rows);

/// <summary>All that is known of one model.</summary>
internal sealed class ReportModel(string key, string name)
{
    /// <summary>Kinds of accuracy by their names in JSON and on the page, the first that is there being the main one.</summary>
    public static IReadOnlyList<(string Key, string Label)> Metrics { get; } =
        [
            ("top1", "top-1"), ("probe", "linear probe"), ("knn", "k-NN"), ("weighted_knn", "weighted k-NN"), ("top5", "top-5"),
            ("mean_iou", "mIoU"),
        ];

    /// <summary>The hash that runs of the same model share.</summary>
    public string Key { get; } = key;

    /// <summary>Its name for people.</summary>
    public string Name { get; set; } = name;

    /// <summary>The whole model.</summary>
    public ReportRow? Whole { get; set; }

    /// <summary>Units of every axis in a block of the whole model; empty where they are not known.</summary>
    public IReadOnlyDictionary<Axis, int> Units { get; set; } = new Dictionary<Axis, int>();

    /// <summary>The ways of cutting, the method first.</summary>
    public List<ReportLine> Lines { get; } = [];

    /// <summary>Slices of the frontier with their measured distances, by their share of the FLOPs.</summary>
    public IReadOnlyList<ReportRow> Frontier { get; set; } = [];

    /// <summary>Fitness of the start and of every candidate of the search.</summary>
    public IReadOnlyList<double> Fitness { get; set; } = [];

    /// <summary>How many images accuracies were measured on; 0 where it is not known.</summary>
    public int Images { get; set; }

    /// <summary>What the intervals of accuracies are.</summary>
    public string IntervalMeaning { get; set; } = "95 % of bootstrap samples of the test images";

    /// <summary>Test images as they were named.</summary>
    public string? TestPath { get; set; }

    /// <summary>SHA-256 over names and lengths of the test images; null where it is not known.</summary>
    public string? TestSha256 { get; set; }

    /// <summary>How many of the test images were scored; null where that is not known.</summary>
    public int? ScoredTestImages { get; set; }

    /// <summary>Length and digest of every photo that was scored; empty where that is not known.</summary>
    public IReadOnlyList<(long Length, long Digest)> Scored { get; set; } = [];

    /// <summary>What is said where test images were scored; null where none were, or that is not known.</summary>
    public string? Warning => ScoredImages.Warning(ScoredTestImages, Images);

    /// <summary>Photos that were scored on, as they were named.</summary>
    public string? PhotosPath { get; set; }

    /// <summary>What the scores were made from.</summary>
    public IReadOnlyDictionary<string, string> Provenance { get; set; } = new Dictionary<string, string>();

    /// <summary>The images that change most, and at which budget.</summary>
    public (string Budget, IReadOnlyList<Thumbnail> Images)? Changed { get; set; }

    /// <summary>Some of the photos that were scored on.</summary>
    public IReadOnlyList<Thumbnail> Calibration { get; set; } = [];

    /// <summary>What could not be shown and how to get it, a sentence each, by the section's name.</summary>
    public Dictionary<string, string> Missing { get; } = [];

    /// <summary>Kinds of accuracy that were measured, the main one first.</summary>
    public IReadOnlyList<(string Key, string Label)> Measured => [.. Metrics.Where(metric =>
        Lines.SelectMany(line => line.Rows).Append(Whole).Any(row => row?.Accuracy.ContainsKey(metric.Key) == true))];

    /// <summary>Share of the whole model's FLOPs.</summary>
    public double? FlopShare(ReportRow row) => row.Flops / Whole?.Flops;

    /// <summary>Share of the whole model's parameters.</summary>
    public double? ParameterShare(ReportRow row) => row.Parameters / Whole?.Parameters;
}

/// <summary>What a page shows.</summary>
/// <param name="Title">Its title.</param>
/// <param name="Lead">What was done, in a few sentences.</param>
/// <param name="Models">One model after the other.</param>
/// <param name="Facts">Options, versions and hashes of all runs.</param>
internal sealed record ReportData(string Title, string Lead, IReadOnlyList<ReportModel> Models, IReadOnlyList<RunFacts> Facts);
