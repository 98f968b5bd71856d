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

/// <summary>A dimension of a tensor that pruning shortens. A sub-network in importance order keeps the first elements of it.</summary>
/// <param name="Axis">What is pruned.</param>
/// <param name="Dimension">The dimension of the tensor in model layout.</param>
/// <param name="Unit">Elements of that dimension that one head or neuron owns, side by side.</param>
internal readonly record struct PrunedDimension(Axis Axis, int Dimension, int Unit = 1)
{
    /// <summary>Elements of the dimension that a block of those widths keeps.</summary>
    public long KeptLength(BlockWidths widths) => (long)Unit * widths[Axis];

    /// <summary>Positions of the elements when the heads or neurons stand in another order.</summary>
    /// <param name="order">Index of the head or neuron that comes first, second, ...</param>
    public long[] Positions(ReadOnlySpan<int> order)
    {
        long[] positions = new long[(long)order.Length * Unit];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = ((long)order[i / Unit] * Unit) + (i % Unit);
        }

        return positions;
    }
}

/// <summary>
/// How the rows of a tensor lie in a model, compared with a checkpoint. A checkpoint keeps fused layers of all heads as [parts, A, d] rows
/// (all queries, all keys, all values); a model keeps them head-major, [A, parts, d], so that a head is one piece and the first heads are a
/// prefix.
/// </summary>
/// <param name="Parts">Fused layers, 3 for qkv; 0 where both layouts are the same.</param>
/// <param name="HeadDim">Rows of one head in one of them, d.</param>
internal readonly record struct ParameterLayout(int Parts, int HeadDim)
{
    /// <summary>The same layout in checkpoint and model.</summary>
    public static ParameterLayout Same => default;

    /// <summary>Whether checkpoint and model keep the rows in another order.</summary>
    public bool IsHeadMajor => Parts > 0;

    /// <summary>The shape in a model of a tensor of that shape in a checkpoint.</summary>
    public IReadOnlyList<long> ModelShape(IReadOnlyList<long> shape) =>
        IsHeadMajor ? [shape[0] / ((long)Parts * HeadDim), Parts, HeadDim, .. shape.Skip(1)] : shape;
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
    /// The pruned dimension over the inputs of the layer that it is the weight of; null where its inputs are never pruned.
    /// </summary>
    public PrunedDimension? PrunedInput
    {
        get
        {
            int inputs = Shape.Count - 1 + (Layout.IsHeadMajor ? 2 : 0);
            foreach (PrunedDimension pruned in Pruned)
            {
                if (IsWeight && pruned.Dimension == inputs)
                {
                    return pruned;
                }
            }

            return null;
        }
    }
}
