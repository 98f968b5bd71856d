using System.Globalization;

namespace SnapViT.Core.Planning;

/// <summary>What a sub-network may cost. One of a closed set of kinds, made by the factories.</summary>
public abstract record Budget
{
    private Budget()
    {
    }

    /// <summary>The whole model.</summary>
    public static Budget Whole { get; } = new Share(CostUnit.Flops, 1);

    /// <summary>What it limits; null for two ratios, which say what is removed.</summary>
    public CostUnit? Unit => this switch
    {
        Share share => share.Limits,
        Most most => most.Limits,
        _ => null,
    };

    /// <summary>Exact shares of neurons and heads to remove, each 0..1.</summary>
    /// <exception cref="BudgetException">A ratio is outside 0..1.</exception>
    public static Budget Ratios(PruningRatios ratios) => ratios.Mlp is >= 0 and <= 1 && ratios.Heads is >= 0 and <= 1
        ? new RemovedRatios(ratios)
        : throw new BudgetException(string.Create(CultureInfo.InvariantCulture, $"ratios: expected two shares in 0..1, found {ratios.Mlp} and {ratios.Heads}"));

    /// <inheritdoc cref="Ratios(PruningRatios)"/>
    public static Budget Ratios(double mlp, double heads) => Ratios(new PruningRatios(mlp, heads));

    /// <summary>A share of the unpruned model's FLOPs to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget Flops(double fraction) => OfWhole(CostUnit.Flops, "FLOPs", fraction);

    /// <summary>FLOPs of one image at most.</summary>
    public static Budget AbsoluteFlops(long flops) => new Most(CostUnit.Flops, flops);

    /// <summary>A share of the unpruned model's parameters to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget Parameters(double fraction) => OfWhole(CostUnit.Parameters, "parameters", fraction);

    /// <summary>Parameters at most.</summary>
    public static Budget AbsoluteParameters(long parameters) => new Most(CostUnit.Parameters, parameters);

    /// <summary>A share of the unpruned model's file to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget FileSize(double fraction) => OfWhole(CostUnit.FileBytes, "size", fraction);

    /// <summary>Bytes of the model file at most, header and all.</summary>
    public static Budget AbsoluteFileSize(long bytes) => new Most(CostUnit.FileBytes, bytes);

    /// <summary>A share of the time that a forward pass of the unpruned model takes to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget Latency(double fraction) => OfWhole(CostUnit.Nanoseconds, "latency", fraction);

    /// <summary>Time of one forward pass at most.</summary>
    public static Budget AbsoluteLatency(TimeSpan latency) => new Most(CostUnit.Nanoseconds, checked(latency.Ticks * TimeSpan.NanosecondsPerTick));

    /// <summary>
    /// Reads a budget of any kind: a share of FLOPs such as <c>0.6</c>, FLOPs such as <c>4.3G</c>, two ratios such as <c>0.45:0.3</c>; other
    /// kinds by their names, such as <c>params=22M</c>, <c>size=40MB</c> or <c>latency=12ms</c>.
    /// </summary>
    /// <exception cref="BudgetException">The text is none of these.</exception>
    public static Budget Parse(string text) => BudgetText.Any(text);

    /// <summary>Reads FLOPs: a share kept such as <c>0.6</c>, or a figure with a suffix K, M, G or T such as <c>4.3G</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseFlops(string text) => BudgetText.Flops(text);

    /// <summary>Reads parameters: a share kept such as <c>0.5</c>, or a figure with a suffix K, M, G or T such as <c>22M</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseParameters(string text) => BudgetText.Parameters(text);

    /// <summary>Reads a size of the file: a share kept such as <c>0.5</c>, or bytes with a suffix B, KB, MB, GB (powers of 1000), KiB, MiB or GiB (of 1024).</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseFileSize(string text) => BudgetText.FileSize(text);

    /// <summary>Reads a latency: a share kept such as <c>0.5</c>, or a time with a suffix us, ms or s such as <c>12ms</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseLatency(string text) => BudgetText.Latency(text);

    /// <summary>Reads two removed ratios such as <c>0.45:0.3</c>, of neurons and of heads.</summary>
    /// <exception cref="BudgetException">The text is not two ratios.</exception>
    public static Budget ParseRatios(string text) => BudgetText.Ratios(text);

    private static Share OfWhole(CostUnit unit, string what, double fraction) => fraction is > 0 and <= 1
        ? new Share(unit, fraction)
        : throw new BudgetException(string.Create(
            CultureInfo.InvariantCulture, $"{what}: expected a share kept above 0 and up to 1 (1 is the whole model), found {fraction}; absolute figures take a suffix such as {Suffix(unit)}"));

    private static string Suffix(CostUnit unit) => unit switch
    {
        CostUnit.FileBytes => "MB",
        CostUnit.Nanoseconds => "ms",
        _ => "M or G",
    };

    internal sealed record RemovedRatios(PruningRatios Removed) : Budget;

    /// <summary>A share of what the unpruned model costs.</summary>
    internal sealed record Share(CostUnit Limits, double Fraction) : Budget;

    /// <summary>A figure in the unit.</summary>
    internal sealed record Most(CostUnit Limits, long Figure) : Budget;
}
