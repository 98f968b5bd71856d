namespace SnapViT.Core.Formats;

/// <summary>How a tensor lies in a file, compared with the canonical one.</summary>
internal enum TensorLayout
{
    /// <summary>The same shape; where several tensors of the file make one, its rows one after the other.</summary>
    Same,

    /// <summary>Without the leading dimensions of size 1: [1, N, D] is [N, D], [1, 1, D] is [D].</summary>
    Unbatched,

    /// <summary>Rows and columns exchanged.</summary>
    Transposed,

    /// <summary>A patch convolution [D, 3, p, p] as a linear layer over patches with the channels last, [D, p * p * 3].</summary>
    PatchRows,

    /// <summary>All dimensions as one, [A, d] is [A * d] (Flax; read only).</summary>
    Flat,

    /// <summary>A kernel [inputs, outputs...] of Flax, such as [D, A, d], is [outputs, inputs] (read only).</summary>
    InputFirst,

    /// <summary>A kernel [inputs..., outputs] of Flax, such as [A, d, D], is [outputs, inputs] (read only).</summary>
    OutputLast,

    /// <summary>A convolution [p, p, 3, D] of Flax is [D, 3, p, p] (read only).</summary>
    ChannelsLast,
}
