namespace SnapViT.Core.Architecture.Parts;

/// <summary>The canonical name of a layer that has a weight and a bias.</summary>
/// <param name="Name">The name without the tensor.</param>
internal readonly record struct LayerName(string Name)
{
    /// <summary>The name of its weight.</summary>
    public string Weight => Name + ".weight";

    /// <summary>The name of its bias.</summary>
    public string Bias => Name + ".bias";
}

/// <summary>The parameters of a linear layer, or of a convolution that is one over its patches.</summary>
/// <param name="Weight">Weight, [out, in] in a checkpoint.</param>
/// <param name="Bias">Bias, [out]; null where the layer has none.</param>
internal sealed record LinearSpec(ParameterSpec Weight, ParameterSpec? Bias)
{
    /// <summary>The name of the layer, for messages.</summary>
    public string Name => Weight.Name[..Weight.Name.LastIndexOf('.')];

    /// <summary>Which linear layer of a block it is; null for one that no hook sees.</summary>
    public BlockLinear? Layer { get; init; }

    /// <summary>Block and layer, for a layer that a hook sees.</summary>
    public (int Block, BlockLinear Layer) Key => (Weight.Block!.Value, Layer!.Value);

    /// <summary>Inputs of the layer.</summary>
    public long Inputs => Weight.Shape[^1];

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => Bias is null ? [Weight] : [Weight, Bias];

    /// <summary>A layer whose products run in the precision of the model.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="outputs">Outputs.</param>
    /// <param name="inputs">Inputs.</param>
    /// <param name="bias">Whether it has a bias.</param>
    public static LinearSpec Matrix(LayerName name, long outputs, long inputs, bool bias = true) => new(
        new ParameterSpec(name.Weight, [outputs, inputs], ParameterRole.MatrixWeight),
        bias ? new ParameterSpec(name.Bias, [outputs], ParameterRole.MatrixBias) : null);

    /// <summary>A layer on a pooled feature, float32 in every model.</summary>
    /// <inheritdoc cref="Matrix"/>
    public static LinearSpec Output(LayerName name, long outputs, long inputs, bool bias = true) => new(
        new ParameterSpec(name.Weight, [outputs, inputs], ParameterRole.OutputWeight),
        bias ? new ParameterSpec(name.Bias, [outputs], ParameterRole.OutputBias) : null);

    /// <summary>The same layer as one of a block.</summary>
    /// <param name="block">Block, 0..L-1; null for a layer outside the blocks.</param>
    /// <param name="layer">Which of its layers; null for one that no hook sees.</param>
    public LinearSpec In(int? block, BlockLinear? layer) => this with
    {
        Weight = Weight with { Block = block }, Bias = Bias is null ? null : Bias with { Block = block }, Layer = layer,
    };

    /// <summary>The same layer with outputs that pruning removes.</summary>
    /// <param name="axis">What is pruned.</param>
    /// <param name="dimension">The dimension of weight and bias in model layout.</param>
    /// <param name="or">An axis that shares the dimension, whose width counts where it is larger.</param>
    public LinearSpec PruningOutputs(Axis axis, int dimension = 0, Axis? or = null) => this with
    {
        Weight = Weight with { Pruned = [.. Weight.Pruned, new PrunedDimension(axis, dimension, or)] },
        Bias = Bias is null ? null : Bias with { Pruned = [.. Bias.Pruned, new PrunedDimension(axis, dimension, or)] },
    };

    /// <summary>The same layer with inputs that pruning removes.</summary>
    /// <param name="axis">What is pruned.</param>
    /// <param name="dimension">The dimension of the weight in model layout.</param>
    public LinearSpec PruningInputs(Axis axis, int dimension = 1) => this with
    {
        Weight = Weight with { Pruned = [.. Weight.Pruned, new PrunedDimension(axis, dimension)] },
    };

    /// <summary>The same layer with rows that lie otherwise in a model.</summary>
    public LinearSpec WithLayout(ParameterLayout layout) => WithWeightLayout(layout) with
    {
        Bias = Bias is null ? null : Bias with { Layout = layout },
    };

    /// <summary>The same layer with a weight that lies otherwise in a model.</summary>
    public LinearSpec WithWeightLayout(ParameterLayout layout) => this with { Weight = Weight with { Layout = layout } };
}
