using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Planning;

/// <summary>What one unit of cost says of a model and its sub-networks. Never grows as widths shrink.</summary>
internal abstract class PlanCost(string name, ViTArchitecture architecture)
{
    private readonly SubnetWidths _full = architecture.FullWidths;
    private readonly ViTArchitecture _architecture = architecture;

    /// <summary>The unit's name in messages.</summary>
    public string Name { get; } = name;

    /// <summary>Cost of a model with given widths.</summary>
    public abstract long Of(SubnetWidths widths);

    /// <summary>Cost of the whole model after the first so many steps of a path.</summary>
    public virtual long After(NestedPath path, int steps) => Of(path.Widths(_architecture, steps));

    /// <summary>
    /// What a block of the whole model saves by going from so many units of an axis to one less, in any scale that the axes share.
    /// </summary>
    public virtual double Saved(int block, Axis axis, int width) =>
        Of(_full.With(block, axis, width)) - Of(_full.With(block, axis, width - 1));

    /// <summary>A figure as messages give it.</summary>
    public virtual string Figure(long figure) => figure.ToString(CultureInfo.InvariantCulture);

    /// <summary>The smallest possible figure as messages give it: rounded up where it is rounded, so that it can be asked for.</summary>
    public virtual string Least(long figure) => $"no fewer than {Figure(figure)}";
}

/// <summary>
/// FLOPs or parameters. Units of an additive axis cost the same whatever else is kept, so that counts do for an order of such axes; any
/// other order is priced by whole widths.
/// </summary>
internal sealed class CountedCost(
    string name, ViTArchitecture architecture, Func<SubnetWidths, long> of, Func<Axis, long> perUnit)
    : PlanCost(name, architecture)
{
    private readonly long _full = of(architecture.FullWidths);
    private readonly PerAxis<long> _perUnit = PerAxis<long>.Of(row => row.IsAdditive ? perUnit(row.Axis) : 0);

    public override long Of(SubnetWidths widths) => of(widths);

    public override long After(NestedPath path, int steps)
    {
        if (path is not RemovalOrder { IsAdditive: true } order)
        {
            return base.After(path, steps);
        }

        long cost = _full;
        foreach (AxisFacts row in AxisTable.Rows)
        {
            cost -= order.After(steps, row.Axis) * _perUnit.Get(row.Axis);
        }

        return cost;
    }

    public override double Saved(int block, Axis axis, int width) =>
        AxisTable.Of(axis).IsAdditive ? _perUnit.Get(axis) : base.Saved(block, axis, width);
}

/// <summary>
/// Bytes of a file. Units are weighed by their parameters: what their numbers take in the header is less than one of them.
/// </summary>
internal sealed class FileCost(ViTArchitecture architecture, Func<SubnetWidths, long> bytes, PlanCost parameters)
    : PlanCost("size", architecture)
{
    private const double Megabyte = 1e6;

    public override long Of(SubnetWidths widths) => bytes(widths);

    public override double Saved(int block, Axis axis, int width) => parameters.Saved(block, axis, width);

    public override string Figure(long figure) => $"{figure} bytes";

    public override string Least(long figure) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"no fewer than {figure} bytes ({Math.Ceiling(figure / Megabyte * 100) / 100:0.00} MB)");
}

/// <summary>Predicted nanoseconds.</summary>
internal sealed class LatencyCost(ViTArchitecture architecture, LatencyTable table) : PlanCost("latency", architecture)
{
    private const double Millisecond = 1e6;

    public override long Of(SubnetWidths widths) => table.Predict(widths);

    public override double Saved(int block, Axis axis, int width) => AxisTable.Of(axis).IsAdditive
        ? table[axis].At(width) - table[axis].At(width - 1)
        : base.Saved(block, axis, width);

    public override string Figure(long figure) => string.Create(CultureInfo.InvariantCulture, $"{figure / Millisecond:0.###} ms");

    public override string Least(long figure) =>
        string.Create(CultureInfo.InvariantCulture, $"no less than {Math.Ceiling(figure / Millisecond * 1000) / 1000:0.000} ms");
}

/// <summary>How long a model's safetensors file is, before there is one: header, metadata, padding and every tensor.</summary>
internal static class ModelFileBytes
{
    /// <summary>Bytes of the file of a model with given widths, every tensor in one type.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    /// <param name="type">Type of the elements.</param>
    /// <param name="metadata">Free text that the file carries; null for none.</param>
    public static long Of(
        ViTArchitecture architecture,
        SubnetWidths widths,
        TensorType type = TensorType.Float32,
        IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsWriter.Length(
            [
                .. ParameterTable.For(architecture, widths)
                    .Select(parameter => new TensorEntry(parameter.Name, type, parameter.Shape)),
            ],
            metadata);
}
