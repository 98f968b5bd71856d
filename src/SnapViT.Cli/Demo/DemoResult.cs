using SnapViT.Core.Architecture;
using SnapViT.Workflows;

namespace SnapViT.Cli.Demo;

/// <summary>What the demo measured.</summary>
/// <param name="Rows">The unpruned model, then a row per budget.</param>
/// <param name="Baseline">The same of the same budgets, cut in a random order instead of by scores and corrected in the same way.</param>
/// <param name="Budgets">Budgets in the order of the rows; null for the unpruned model.</param>
/// <param name="Widths">Widths of every block, in the order of the rows.</param>
/// <param name="Fitness">Fitness of the start and of every candidate of the search; none without evaluations.</param>
/// <param name="Photos">Unlabelled images that were scored.</param>
/// <param name="TestImages">Labelled images that were classified.</param>
/// <param name="Seconds">Duration of all of it.</param>
/// <param name="Seed">Seed of images, crops and search.</param>
internal sealed record DemoResult(
    IReadOnlyList<EvaluationRow> Rows,
    IReadOnlyList<EvaluationRow> Baseline,
    IReadOnlyList<string?> Budgets,
    IReadOnlyList<SubnetWidths> Widths,
    IReadOnlyList<double> Fitness,
    int Photos,
    int TestImages,
    double Seconds,
    ulong Seed);
