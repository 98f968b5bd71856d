using SnapViT.Cli.Output;
using SnapViT.Core.Scores;

namespace SnapViT.Cli.Demo;

/// <summary>What the demo measured.</summary>
/// <param name="Whole">The unpruned model.</param>
/// <param name="Lines">One way of cutting after the other, the method with all axes first; every line has all budgets.</param>
/// <param name="Scores">What budgets were cut by.</param>
/// <param name="Fitness">Fitness of the start and of every candidate of the search; none without evaluations.</param>
/// <param name="Photos">Unlabelled images that were scored.</param>
/// <param name="TestImages">Labelled images that were classified.</param>
/// <param name="Seconds">Duration of all of it.</param>
/// <param name="Seed">Seed of images, crops and search.</param>
internal sealed record DemoResult(
    MeasuredRow Whole,
    IReadOnlyList<MeasuredLine> Lines,
    ElasticScores Scores,
    IReadOnlyList<double> Fitness,
    int Photos,
    int TestImages,
    double Seconds,
    ulong Seed);
