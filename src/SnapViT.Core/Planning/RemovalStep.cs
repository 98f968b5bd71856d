namespace SnapViT.Core.Planning;

/// <summary>One step of a removal order: the least important heads or neurons that a block still has.</summary>
/// <param name="Block">Block, 0..L-1.</param>
/// <param name="OfHeads">Whether heads go; else neurons.</param>
/// <param name="Count">How many go at once: 1, or with alignment up to a step of it.</param>
internal readonly record struct RemovalStep(int Block, bool OfHeads, int Count = 1);
