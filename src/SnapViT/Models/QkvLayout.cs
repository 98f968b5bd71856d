using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>
/// The one difference between a checkpoint's layout and a model's. Checkpoints keep the fused qkv layer as [3, A, d] rows (all queries, all
/// keys, all values); a model keeps it head-major, [A, 3, d], so that a head is one contiguous piece of rows and the first heads a prefix.
/// </summary>
public static class QkvLayout
{
    /// <summary>Whether the tensor of that name is a qkv weight or bias of a block.</summary>
    public static bool Concerns(string name) => name.Contains(".attn.qkv.", StringComparison.Ordinal);

    /// <summary>The shape a parameter has in a model: weight [A, 3, d, D], bias [A, 3, d]; others as they are.</summary>
    public static long[] ModelShape(ParameterShape parameter, ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(architecture);
        if (!Concerns(parameter.Name))
        {
            return [.. parameter.Shape];
        }

        long heads = parameter.Shape[0] / (3 * architecture.HeadDim);
        return [heads, 3, architecture.HeadDim, .. parameter.Shape.Skip(1)];
    }

    /// <summary>Rows [3 A d, ...] of a checkpoint to a new tensor [A, 3, d, ...].</summary>
    public static Tensor ToModel(Tensor rows, int headDim)
    {
        using DisposeScope scope = NewDisposeScope();
        long heads = rows.shape[0] / (3L * headDim);
        return rows.reshape([3, heads, headDim, .. rows.shape.AsSpan(1)]).transpose(0, 1).contiguous().clone().MoveToOuterDisposeScope();
    }

    /// <summary>A model's [A, 3, d, ...] to new rows [3 A d, ...] of a checkpoint.</summary>
    public static Tensor ToCheckpoint(Tensor headMajor)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] shape = headMajor.shape;
        return headMajor.transpose(0, 1).reshape([shape[0] * 3 * shape[2], .. shape.AsSpan(3)]).clone().MoveToOuterDisposeScope();
    }
}
