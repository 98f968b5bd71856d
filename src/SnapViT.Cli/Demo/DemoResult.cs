using SnapViT.Core.Architecture;
using SnapViT.Workflows;

namespace SnapViT.Cli.Demo;

/// <summary>What the demo measured.</summary>
/// <param name="Lines">One way of cutting after the other, the method with all axes first.</param>
/// <param name="Fitness">Fitness of the start and of every candidate of the search; none without evaluations.</param>
/// <param name="Photos">Unlabelled images that were scored.</param>
/// <param name="TestImages">Labelled images that were classified.</param>
/// <param name="Seconds">Duration of all of it.</param>
/// <param name="Seed">Seed of images, crops and search.</param>
internal sealed record DemoResult(
    IReadOnlyList<DemoLine> Lines, IReadOnlyList<double> Fitness, int Photos, int TestImages, double Seconds, ulong Seed)
{
    /// <summary>The unpruned model.</summary>
    public EvaluationRow Whole => Lines[0].Places[0].Row;
}

/// <summary>One way of cutting the model, over all budgets.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Meaning">What is cut and by what.</param>
/// <param name="Places">The unpruned model, then what was measured at every budget.</param>
internal sealed record DemoLine(string Name, string Meaning, IReadOnlyList<DemoPlace> Places);

/// <summary>A sub-network of the demo.</summary>
/// <param name="Budget">Share of the FLOPs asked for; null for the unpruned model.</param>
/// <param name="Widths">What every block keeps.</param>
/// <param name="Row">What was measured.</param>
internal sealed record DemoPlace(string? Budget, SubnetWidths Widths, EvaluationRow Row);
