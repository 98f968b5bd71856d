namespace SnapViT.Benchmarks.Accuracy;

/// <summary>What a table of accuracies was measured under.</summary>
/// <param name="Machine">The machine and the date.</param>
/// <param name="Command">The command that measured.</param>
/// <param name="HeldOut">Photos that were not used for calibration.</param>
/// <param name="Precision">Precision of the networks.</param>
/// <param name="Seeds">Seeds that figures are means of.</param>
internal sealed record AccuracyConditions(string Machine, string Command, int HeldOut, string Precision, int Seeds);
