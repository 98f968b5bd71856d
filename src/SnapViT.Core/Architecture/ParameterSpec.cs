namespace SnapViT.Core.Architecture;

/// <summary>What a learned tensor does in a forward pass. Its precision, its quantisation and its initial values follow from it.</summary>
internal enum ParameterRole
{
    /// <summary>
    /// Weight of a linear layer or convolution, [out, in] or [out, channels, p, p]. Its products run in the precision of the model.
    /// </summary>
    MatrixWeight,

    /// <summary>Bias of such a layer, [out].</summary>
    MatrixBias,

    /// <summary>Weight of a linear layer on a pooled feature (projection, classifiers), [out, in]; float32 in every model.</summary>
    OutputWeight,

    /// <summary>Bias of such a layer, [out].</summary>
    OutputBias,

    /// <summary>Weight of a LayerNorm, [D]; float32 in every model.</summary>
    NormWeight,

    /// <summary>Bias of a LayerNorm, [D]; float32 in every model.</summary>
    NormBias,

    /// <summary>Scale of a branch per channel, [D]; float32 in every model.</summary>
    LayerScale,

    /// <summary>Learned tokens, [1, count, D]; float32 in every model.</summary>
    Token,

    /// <summary>Learned table of positions, [1, positions, D]; float32 in every model, resampled for another image size.</summary>
    Position,
}

/// <summary>A dimension of a tensor that pruning shortens. A sub-network keeps the first elements of it, one per unit.</summary>
/// <param name="Axis">What is pruned.</param>
/// <param name="Dimension">The dimension of the tensor in model layout.</param>
/// <param name="Or">An axis that shares the dimension: it is as long as the larger of the two widths.</param>
internal readonly record struct PrunedDimension(Axis Axis, int Dimension, Axis? Or = null)
{
    /// <summary>Elements of the dimension that a block of those widths keeps.</summary>
    public long KeptLength(BlockWidths widths) => Math.Max(widths[Axis], Or is Axis other ? widths[other] : 0);
}

/// <summary>
/// How a tensor lies in a model, compared with a checkpoint. A checkpoint keeps fused layers of all heads part by part (all queries, all
/// keys, all values), and the inputs of a projection side by side. A model keeps both head by head, so that the first heads and the first
/// dimensions of every head are views: rows as [A, parts, rows, ...], where a part with fewer rows than another ends in zeros that nobody
/// reads, and columns as [..., A, columns].
/// </summary>
internal sealed class ParameterLayout : IEquatable<ParameterLayout>
{
    private readonly int[] _rows;

    /// <summary>Rows that lie head by head.</summary>
    /// <param name="rows">Rows of one head in every part.</param>
    public ParameterLayout(params int[] rows) => _rows = rows;

    private ParameterLayout(int columns) => (_rows, ColumnsOfHead) = ([], columns);

    /// <summary>The same layout in checkpoint and model.</summary>
    public static ParameterLayout Same { get; } = new();

    /// <summary>Rows of one head in every part; empty where rows lie as in a checkpoint.</summary>
    public IReadOnlyList<int> RowsOfHead => _rows;

    /// <summary>Columns of one head; null where they lie as in a checkpoint.</summary>
    public int? ColumnsOfHead { get; }

    /// <summary>Whether checkpoint and model keep the rows in another order.</summary>
    public bool IsHeadMajor => _rows.Length > 0;

    /// <summary>Dimensions that the outputs take in a model.</summary>
    public int OutputDimensions => IsHeadMajor ? 3 : 1;

    /// <summary>Columns that lie head by head.</summary>
    /// <param name="columns">Columns of one head.</param>
    public static ParameterLayout Columns(int columns) => new(columns);

    /// <summary>The shape in a model of a tensor of that shape in a checkpoint.</summary>
    public IReadOnlyList<long> ModelShape(IReadOnlyList<long> shape) =>
        IsHeadMajor ? [Heads(shape[0], _rows.Sum()), _rows.Length, _rows.Max(), .. shape.Skip(1)]
        : ColumnsOfHead is int columns ? [.. shape.SkipLast(1), Heads(shape[^1], columns), columns]
        : shape;

    /// <inheritdoc/>
    public bool Equals(ParameterLayout? other) =>
        other is not null && ColumnsOfHead == other.ColumnsOfHead && _rows.AsSpan().SequenceEqual(other._rows);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ParameterLayout);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ColumnsOfHead, _rows.Length, _rows.Sum());

    private static long Heads(long length, int ofHead) => ofHead == 0 ? 0 : length / ofHead;
}

/// <summary>
/// Everything the program knows about one learned tensor. How it is sorted, sliced, cast, stored in ONNX and re-fitted is derived from this
/// and never from its name.
/// </summary>
/// <param name="Name">Its canonical name, the one that timm gives it.</param>
/// <param name="Shape">Its shape in a checkpoint.</param>
/// <param name="Role">What it does in a forward pass.</param>
internal sealed record ParameterSpec(string Name, IReadOnlyList<long> Shape, ParameterRole Role)
{
    /// <summary>The block it belongs to, 0..L-1; null where it belongs to none.</summary>
    public int? Block { get; init; }

    /// <summary>The dimensions that pruning shortens; empty where pruning leaves it as it is.</summary>
    public IReadOnlyList<PrunedDimension> Pruned { get; init; } = [];

    /// <summary>How its rows lie in a model.</summary>
    public ParameterLayout Layout { get; init; } = ParameterLayout.Same;

    /// <summary>Its shape in a model.</summary>
    public IReadOnlyList<long> ModelShape => Layout.ModelShape(Shape);

    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Whether it takes part in products that run in the precision of the model; all others are float32 in every model.</summary>
    public bool IsMatrix => Role is ParameterRole.MatrixWeight or ParameterRole.MatrixBias;

    /// <summary>Whether it is the weight of a linear layer or convolution, which ONNX can store in fewer bits.</summary>
    public bool IsWeight => Role is ParameterRole.MatrixWeight or ParameterRole.OutputWeight;

    /// <summary>
    /// The pruned dimensions over the inputs of the layer that it is the weight of, slowest first; empty where they are never pruned. Such
    /// layers are what a correction re-fits.
    /// </summary>
    public IReadOnlyList<PrunedDimension> PrunedInputs =>
        IsWeight ? [.. Pruned.Where(pruned => pruned.Dimension >= Layout.OutputDimensions)] : [];

    /// <summary>Inputs that a block of those widths keeps, of a weight whose inputs are pruned.</summary>
    public long KeptInputs(BlockWidths widths) =>
        PrunedInputs.Aggregate(1L, (product, pruned) => product * pruned.KeptLength(widths));
}
