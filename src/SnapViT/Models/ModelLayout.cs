using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>Brings tensors from the layout of a checkpoint into that of a model and back (<see cref="ParameterLayout"/>).</summary>
internal static class ModelLayout
{
    /// <summary>
    /// Rows [parts A d, ...] of a checkpoint to a new tensor [A, parts, d, ...]; a tensor of the same layout in both to an alias.
    /// </summary>
    public static Tensor ToModel(this ParameterSpec parameter, Tensor inCheckpoint)
    {
        (int parts, int headDim) = parameter.Layout;
        if (!parameter.Layout.IsHeadMajor)
        {
            return inCheckpoint.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        long heads = inCheckpoint.shape[0] / ((long)parts * headDim);
        Tensor rows = inCheckpoint.reshape([parts, heads, headDim, .. inCheckpoint.shape.AsSpan(1)]);
        return rows.transpose(0, 1).contiguous().clone().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// A model's [A, parts, d, ...] to new rows [parts A d, ...] of a checkpoint; a tensor of the same layout in both to an alias.
    /// </summary>
    public static Tensor ToCheckpoint(this ParameterSpec parameter, Tensor inModel)
    {
        if (!parameter.Layout.IsHeadMajor)
        {
            return inModel.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        long[] shape = inModel.shape;
        return inModel.transpose(0, 1).reshape([shape[0] * shape[1] * shape[2], .. shape.AsSpan(3)]).clone().MoveToOuterDisposeScope();
    }
}
