namespace SnapViT.Workflows;

/// <summary>How far a long work is.</summary>
/// <param name="Stage">What is being done, such as "scoring".</param>
/// <param name="Done">Units done so far.</param>
/// <param name="Total">Units in all.</param>
/// <param name="Note">The latest figure of interest; empty for none.</param>
public sealed record WorkProgress(string Stage, long Done, long Total, string Note = "");
