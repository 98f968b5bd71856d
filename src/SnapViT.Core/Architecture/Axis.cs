namespace SnapViT.Core.Architecture;

/// <summary>What pruning makes smaller in a block.</summary>
public enum Axis
{
    /// <summary>Attention heads, 0..A.</summary>
    Heads,

    /// <summary>Neurons of the MLP, 0..H.</summary>
    Neurons,
}
