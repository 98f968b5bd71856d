using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Planning;

/// <summary>What a sub-network may cost. One of a closed set of kinds, made by the factories.</summary>
public abstract record Budget
{
    private Budget()
    {
    }

    /// <summary>The whole model.</summary>
    public static Budget Whole { get; } = new Share(CostUnit.Flops, 1);

    /// <summary>What it limits; null for ratios, which say what is removed.</summary>
    public CostUnit? Unit => this switch
    {
        Share share => share.Limits,
        Most most => most.Limits,
        _ => null,
    };

    /// <summary>Exact shares of every axis to remove, each 0..1.</summary>
    /// <exception cref="BudgetException">A ratio is outside 0..1.</exception>
    public static Budget Ratios(PruningRatios ratios)
    {
        if (AxisTable.Rows.All(row => ratios[row.Axis] is >= 0 and <= 1))
        {
            return new RemovedRatios(ratios);
        }

        string found = string.Join(" and ", AxisTable.InPaperOrder.Select(row => ratios[row.Axis].ToString(CultureInfo.InvariantCulture)));
        throw new BudgetException($"ratios: expected shares in 0..1, found {found}");
    }

    /// <summary>Exact shares of neurons and of heads to remove, each 0..1.</summary>
    /// <exception cref="BudgetException">A ratio is outside 0..1.</exception>
    public static Budget Ratios(double neurons, double heads) => Ratios(new PruningRatios(neurons, heads));

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
    public static Budget AbsoluteLatency(TimeSpan latency) =>
        new Most(CostUnit.Nanoseconds, checked(latency.Ticks * TimeSpan.NanosecondsPerTick));

    /// <summary>
    /// Reads a budget of any kind: a share of FLOPs such as <c>0.6</c>, FLOPs such as <c>4.3G</c>, two ratios such as <c>0.45:0.3</c>;
    /// other kinds by their names, such as <c>params=22M</c>, <c>size=40MB</c> or <c>latency=12ms</c>.
    /// </summary>
    /// <exception cref="BudgetException">The text is none of these.</exception>
    public static Budget Parse(string text) => BudgetText.Any(text);

    /// <summary>Reads FLOPs: a share kept such as <c>0.6</c>, or a figure with a suffix K, M, G or T such as <c>4.3G</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseFlops(string text) => BudgetText.Flops(text);

    /// <summary>Reads parameters: a share kept such as <c>0.5</c>, or a figure with a suffix K, M, G or T such as <c>22M</c>.</summary>
    /// <exception cref="BudgetException">The text is neither.</exception>
    public static Budget ParseParameters(string text) => BudgetText.Parameters(text);

    /// <summary>
    /// Reads a size of the file: a share kept such as <c>0.5</c>, or bytes with a suffix B, KB, MB, GB (powers of 1000), KiB, MiB or GiB
    /// (of 1024).
    /// </summary>
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
            CultureInfo.InvariantCulture,
            $"{what}: expected a share kept above 0 and up to 1 (1 is the whole model), found {fraction}; "
            + $"absolute figures take a suffix such as {Suffix(unit)}"));

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

/// <summary>The shares of all units of every axis that are removed.</summary>
public readonly record struct PruningRatios
{
    private readonly PerAxis<double> _removed;

    /// <summary>Shares of the paper's two axes; of any other nothing is removed.</summary>
    /// <param name="neurons">Share of the neurons, 0..1.</param>
    /// <param name="heads">Share of the heads, 0..1.</param>
    public PruningRatios(double neurons, double heads)
        : this(default(PerAxis<double>).With(Axis.Neurons, neurons).With(Axis.Heads, heads))
    {
    }

    private PruningRatios(PerAxis<double> removed) => _removed = removed;

    /// <summary>The six pairs of the paper, which it labels 10, 20, 30, 40, 50 and 60 % sparsity.</summary>
    public static IReadOnlyList<PruningRatios> Paper { get; } =
        [new(0.15, 0), new(0.25, 0.1), new(0.35, 0.2), new(0.45, 0.3), new(0.55, 0.4), new(0.65, 0.5)];

    /// <summary>Share of an axis, 0..1.</summary>
    public double this[Axis axis] => _removed.Get(axis);

    /// <summary>The shares that widths lack of the unpruned model's.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">What is kept.</param>
    public static PruningRatios Of(ViTArchitecture architecture, SubnetWidths widths)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        ArgumentNullException.ThrowIfNull(widths);
        return new(PerAxis<double>.Of(row => 1 - (widths.Total(row.Axis) / ((double)architecture.Depth * row.Count(architecture)))));
    }

    /// <summary>The same with another share of one axis.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="removed">Share removed, 0..1.</param>
    public PruningRatios With(Axis axis, double removed) => new(_removed.With(axis, removed));

    /// <summary>The shares as they are written on a command line, neurons first, such as <c>0.45:0.3</c>.</summary>
    public override string ToString()
    {
        PerAxis<double> removed = _removed;
        return string.Join(
            ':', AxisTable.InPaperOrder.Select(row => removed.Get(row.Axis).ToString("0.####", CultureInfo.InvariantCulture)));
    }
}

/// <summary>A budget that is not well formed, or that the floors make impossible. The message is one line with the numbers.</summary>
public sealed class BudgetException : SnapViTException
{
    /// <summary>States what was asked and what is possible.</summary>
    public BudgetException(string message)
        : base(ErrorKind.Budget, message)
    {
    }
}

/// <summary>Budgets as people write them. The one place that reads them.</summary>
internal static class BudgetText
{
    private const string OneOfAll = "a share kept such as 0.6, a figure such as 4.3G or 22M, or two removed ratios such as 0.45:0.3; "
        + "other kinds by name, such as params=22M, size=40MB or latency=12ms";

    private static readonly (string Suffix, double Factor)[] Decimal = [("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];

    // A suffix that ends another comes after it.
    internal static readonly (string Suffix, double Factor)[] Bytes =
        [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1)];

    private static readonly (string Suffix, double Factor)[] Ticks =
        [("us", TimeSpan.TicksPerMicrosecond), ("ms", TimeSpan.TicksPerMillisecond), ("s", TimeSpan.TicksPerSecond)];

    private static readonly Dictionary<string, Func<string, Budget>> Kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        ["flops"] = Flops, ["params"] = Parameters, ["size"] = FileSize, ["latency"] = Latency, ["ratios"] = Ratios,
    };

    public static Budget Any(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] named = text.Split('=', 2, StringSplitOptions.TrimEntries);
        if (named.Length == 2)
        {
            return Kinds.TryGetValue(named[0], out Func<string, Budget>? read)
                ? read(named[1])
                : throw new BudgetException(
                    $"budget '{text}': expected one of {string.Join(", ", Kinds.Keys)} before '=', found '{named[0]}'");
        }

        string[] pair = text.Split(':');
        return pair.Length == 2
            ? Budget.Ratios(Number(pair[0], text, OneOfAll), Number(pair[1], text, OneOfAll))
            : Amount(text, Decimal, Budget.Flops, Budget.AbsoluteFlops, OneOfAll);
    }

    public static Budget Flops(string text) =>
        Amount(text, Decimal, Budget.Flops, Budget.AbsoluteFlops, "a share kept such as 0.6, or a figure such as 4.3G");

    public static Budget Parameters(string text) =>
        Amount(text, Decimal, Budget.Parameters, Budget.AbsoluteParameters, "a share kept such as 0.6, or a figure such as 22M");

    public static Budget FileSize(string text) =>
        Amount(text, Bytes, Budget.FileSize, Budget.AbsoluteFileSize, "a share kept such as 0.6, or a size such as 40MB or 38MiB");

    public static Budget Latency(string text) => Amount(
        text, Ticks, Budget.Latency, ticks => Budget.AbsoluteLatency(TimeSpan.FromTicks(ticks)),
        "a share kept such as 0.6, or a time such as 12ms, 800us or 1.5s", most: 9e16);

    public static Budget Ratios(string text)
    {
        const string Expected = "two removed ratios such as 0.45:0.3";
        ArgumentNullException.ThrowIfNull(text);
        string[] pair = text.Split(':');
        return pair.Length == 2
            ? Budget.Ratios(Number(pair[0], text, Expected), Number(pair[1], text, Expected))
            : throw new BudgetException($"budget '{text}': expected {Expected}");
    }

    private static Budget Amount(
        string text,
        (string Suffix, double Factor)[] units,
        Func<double, Budget> share,
        Func<long, Budget> absolute,
        string expected,
        double most = 9e18)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        (string? suffix, double factor) = units.FirstOrDefault(unit => trimmed.EndsWith(unit.Suffix, StringComparison.OrdinalIgnoreCase));
        if (suffix is null)
        {
            return share(Number(trimmed, text, expected));
        }

        double amount = Number(trimmed[..^suffix.Length], text, expected) * factor;
        if (amount > 0 && amount < most)
        {
            return absolute((long)amount);
        }

        string below = most.ToString("0e+0", CultureInfo.InvariantCulture).Replace("+", "", StringComparison.Ordinal);
        throw new BudgetException($"budget '{text}': expected a positive figure below {below}");
    }

    private static double Number(string part, string text, string expected) =>
        double.TryParse(
            part,
            NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent | NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture,
            out double number)
        && double.IsFinite(number)
            ? number
            : throw new BudgetException($"budget '{text}': expected {expected}");
}
