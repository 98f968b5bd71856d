using System.Globalization;

namespace SnapViT.Core.Planning;

/// <summary>What a sub-network may cost. One of a closed set of kinds, made by the factories.</summary>
public abstract record Budget
{
    private Budget()
    {
    }

    /// <summary>The whole model.</summary>
    public static Budget Whole { get; } = new FlopsFraction(1);

    /// <summary>Exact shares of neurons and heads to remove, each 0..1.</summary>
    /// <exception cref="BudgetException">A ratio is outside 0..1.</exception>
    public static Budget Ratios(PruningRatios ratios) => ratios.Mlp is >= 0 and <= 1 && ratios.Heads is >= 0 and <= 1
        ? new RemovedRatios(ratios)
        : throw new BudgetException(string.Create(CultureInfo.InvariantCulture, $"ratios: expected two shares in 0..1, found {ratios.Mlp} and {ratios.Heads}"));

    /// <inheritdoc cref="Ratios(PruningRatios)"/>
    public static Budget Ratios(double mlp, double heads) => Ratios(new PruningRatios(mlp, heads));

    /// <summary>A share of the unpruned model's FLOPs to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget Flops(double fraction) => new FlopsFraction(RequireFraction("FLOPs", fraction));

    /// <summary>FLOPs of one image at most.</summary>
    public static Budget AbsoluteFlops(long flops) => new MaxFlops(flops);

    /// <summary>A share of the unpruned model's parameters to keep at most, 0 exclusive to 1 inclusive.</summary>
    /// <exception cref="BudgetException">The share is outside that range.</exception>
    public static Budget Parameters(double fraction) => new ParametersFraction(RequireFraction("parameters", fraction));

    /// <summary>Parameters at most.</summary>
    public static Budget AbsoluteParameters(long parameters) => new MaxParameters(parameters);

    /// <summary>Reads a budget: a share of FLOPs such as <c>0.6</c>, FLOPs such as <c>4.3G</c>, or two ratios such as <c>0.45:0.3</c>.</summary>
    /// <exception cref="BudgetException">The text is none of these.</exception>
    public static Budget Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] pair = text.Split(':');
        return pair.Length == 2 ? Ratios(Number(pair[0], text), Number(pair[1], text)) : ParseFlops(text);
    }

    /// <summary>Reads FLOPs: a share kept such as <c>0.6</c>, or a figure with a suffix K, M, G or T such as <c>4.3G</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseFlops(string text) => ParseAmount(text, Flops, AbsoluteFlops);

    /// <summary>Reads parameters: a share kept such as <c>0.5</c>, or a figure with a suffix K, M, G or T such as <c>22M</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseParameters(string text) => ParseAmount(text, Parameters, AbsoluteParameters);

    private static Budget ParseAmount(string text, Func<double, Budget> fraction, Func<long, Budget> absolute)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        double unit = trimmed.Length == 0 ? 0 : char.ToUpperInvariant(trimmed[^1]) switch { 'K' => 1e3, 'M' => 1e6, 'G' => 1e9, 'T' => 1e12, _ => 0 };
        if (unit == 0)
        {
            return fraction(Number(trimmed, text));
        }

        double amount = Number(trimmed[..^1], text) * unit;
        return amount is > 0 and < 9e18
            ? absolute((long)amount)
            : throw new BudgetException($"budget '{text}': expected a positive figure below 9e18");
    }

    private static double Number(string part, string text) =>
        double.TryParse(part, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out double number)
        && double.IsFinite(number)
            ? number
            : throw new BudgetException($"budget '{text}': expected a share kept such as 0.6, a figure such as 4.3G or 22M, or two removed ratios such as 0.45:0.3");

    private static double RequireFraction(string what, double fraction) => fraction is > 0 and <= 1
        ? fraction
        : throw new BudgetException(string.Create(
            CultureInfo.InvariantCulture, $"{what}: expected a share kept above 0 and up to 1 (1 is the whole model), found {fraction}; absolute figures take a suffix such as M or G"));

    internal sealed record RemovedRatios(PruningRatios Removed) : Budget;

    internal sealed record FlopsFraction(double Fraction) : Budget;

    internal sealed record MaxFlops(long Figure) : Budget;

    internal sealed record ParametersFraction(double Fraction) : Budget;

    internal sealed record MaxParameters(long Figure) : Budget;
}
