using System.Globalization;
using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>What one unit of cost says of a model and its sub-networks. Never grows as widths shrink.</summary>
internal abstract class PlanCost
{
    /// <summary>The unit's name in messages.</summary>
    public abstract string Name { get; }

    /// <summary>Cost of the whole model after the first so many steps of an order.</summary>
    public abstract long After(RemovalOrder order, int steps);

    /// <summary>What a block saves by going from so many neurons to one less, in any scale that <see cref="Head"/> shares.</summary>
    public abstract double Neuron(int width);

    /// <summary>What a block saves by going from so many heads to one less.</summary>
    public abstract double Head(int width);

    /// <summary>A figure as messages give it.</summary>
    public virtual string Figure(long figure) => figure.ToString(CultureInfo.InvariantCulture);

    /// <summary>The smallest possible figure as messages give it: rounded up where it is rounded, so that it can be asked for.</summary>
    public virtual string Least(long figure) => $"no fewer than {Figure(figure)}";
}

/// <summary>FLOPs or parameters: every neuron costs the same, and every head.</summary>
internal sealed class LinearCost(string name, long full, long perNeuron, long perHead) : PlanCost
{
    public override string Name => name;

    public override long After(RemovalOrder order, int steps)
    {
        (int neurons, int heads) = order.After(steps);
        return full - (neurons * perNeuron) - (heads * perHead);
    }

    public override double Neuron(int width) => perNeuron;

    public override double Head(int width) => perHead;
}

/// <summary>Bytes of a file. Structures are weighed by their parameters: what their numbers take in the header is less than one of them.</summary>
internal sealed class FileCost(ViTArchitecture architecture, Func<SubnetWidths, long> bytes) : PlanCost
{
    private const double Megabyte = 1e6;

    public override string Name => "size";

    public override long After(RemovalOrder order, int steps) => bytes(order.Widths(architecture, steps));

    public override double Neuron(int width) => CostModel.NeuronParameters(architecture);

    public override double Head(int width) => CostModel.HeadParameters(architecture);

    public override string Figure(long figure) => $"{figure} bytes";

    public override string Least(long figure) =>
        string.Create(CultureInfo.InvariantCulture, $"no fewer than {figure} bytes ({Math.Ceiling(figure / Megabyte * 100) / 100:0.00} MB)");
}

/// <summary>Predicted nanoseconds.</summary>
internal sealed class LatencyCost(ViTArchitecture architecture, LatencyTable table) : PlanCost
{
    private const double Millisecond = 1e6;

    public override string Name => "latency";

    public override long After(RemovalOrder order, int steps) => table.Predict(order.Widths(architecture, steps));

    public override double Neuron(int width) => table.Mlp.At(width) - table.Mlp.At(width - 1);

    public override double Head(int width) => table.Attention.At(width) - table.Attention.At(width - 1);

    public override string Figure(long figure) => string.Create(CultureInfo.InvariantCulture, $"{figure / Millisecond:0.###} ms");

    public override string Least(long figure) => string.Create(CultureInfo.InvariantCulture, $"no less than {Math.Ceiling(figure / Millisecond * 1000) / 1000:0.000} ms");
}
