namespace SnapViT.Core.Planning;

/// <summary>What a budget limits.</summary>
public enum CostUnit
{
    /// <summary>FLOPs of one image (<see cref="Architecture.CostModel"/>).</summary>
    Flops,

    /// <summary>Learned parameters.</summary>
    Parameters,

    /// <summary>Bytes of the model file (<see cref="PlanOptions.FileBytes"/>).</summary>
    FileBytes,

    /// <summary>Nanoseconds of one forward pass, predicted by a <see cref="LatencyTable"/>.</summary>
    Nanoseconds,
}
