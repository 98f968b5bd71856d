using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;

namespace SnapViT.Core.Planning;

/// <summary>A sub-network that was decided but not cut: what every block keeps, and what that costs.</summary>
public sealed record SubnetPlan
{
    internal SubnetPlan(ViTArchitecture architecture, SubnetWidths widths)
    {
        Architecture = architecture;
        Widths = widths;
        Parameters = CostModel.Parameters(architecture, widths);
        Flops = CostModel.Flops(architecture, widths);
    }

    /// <summary>A plan of widths that were decided elsewhere.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">What every block keeps.</param>
    /// <exception cref="ArgumentException">The widths do not fit the architecture.</exception>
    public static SubnetPlan Of(ViTArchitecture architecture, SubnetWidths widths) => new(architecture, widths);

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture { get; }

    /// <summary>What every block keeps: of every axis the first so many units in importance order.</summary>
    public SubnetWidths Widths { get; }

    /// <summary>Learned parameters of the sub-network.</summary>
    public long Parameters { get; }

    /// <summary>FLOPs of one image (<see cref="CostModel"/>).</summary>
    public long Flops { get; }

    /// <summary>
    /// How far it is from the whole model (<see cref="FrontierSlice.Distance"/>), between the slices of the frontier around it; null where
    /// the plan is not of a frontier, or was rounded off it.
    /// </summary>
    public double? Distance { get; init; }

    /// <summary>The shares of every axis that are in fact removed.</summary>
    public PruningRatios Removed => PruningRatios.Of(Architecture, Widths);
}
