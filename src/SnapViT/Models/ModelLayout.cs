using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>Brings tensors from the layout of a checkpoint into that of a model and back (<see cref="ParameterLayout"/>).</summary>
internal static class ModelLayout
{
    /// <summary>
    /// A tensor in the layout of a checkpoint to a new one in the model's; to an alias where both are the same but for dimensions that are
    /// joined.
    /// </summary>
    public static Tensor ToModel(this ParameterSpec parameter, Tensor inCheckpoint)
    {
        if (!parameter.Layout.IsHeadMajor)
        {
            return inCheckpoint.reshape([.. parameter.ModelShape]);
        }

        using DisposeScope scope = NewDisposeScope();
        (long heads, long longest) = (parameter.ModelShape[0], parameter.ModelShape[2]);
        long[] rest = [.. parameter.ModelShape.Skip(3)];
        List<Tensor> parts = [];
        long row = 0;
        foreach (int rows in parameter.Layout.RowsOfHead)
        {
            Tensor part = inCheckpoint.narrow(0, row, heads * rows).reshape([heads, rows, .. rest]);
            row += heads * rows;
            parts.Add(rows == longest
                ? part
                : cat([part, zeros([heads, longest - rows, .. rest], part.dtype, part.device)], 1));
        }

        return stack(parts, 1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// A tensor in the model's layout to a new one in that of a checkpoint; to an alias where both are the same but for dimensions that are
    /// joined.
    /// </summary>
    public static Tensor ToCheckpoint(this ParameterSpec parameter, Tensor inModel)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = parameter.Layout.IsHeadMajor
            ? cat([.. parameter.Parts(inModel)], 0)
            : inModel.reshape([.. parameter.Shape]);
        return rows.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The rows of a head-major tensor head by head, [A (sum of rows), ...] without what pads them: a view where nothing does.
    /// </summary>
    public static Tensor HeadRows(this ParameterSpec parameter, Tensor inModel)
    {
        long[] rest = [.. inModel.shape.Skip(3)];
        IReadOnlyList<int> rows = parameter.Layout.RowsOfHead;
        if (rows.All(count => count == inModel.shape[2]))
        {
            return inModel.reshape([-1, .. rest]);
        }

        using DisposeScope scope = NewDisposeScope();
        return cat([.. rows.Select((count, part) => inModel.select(1, part).narrow(1, 0, count))], 1)
            .reshape([-1, .. rest]).MoveToOuterDisposeScope();
    }

    /// <summary>The parts of fused layers in a model's layout [A, parts, rows, ...], each as [A rows, ...] without what pads it.</summary>
    public static IEnumerable<Tensor> Parts(this ParameterSpec parameter, Tensor inModel)
    {
        long heads = inModel.shape[0];
        long[] rest = [.. inModel.shape.Skip(3)];
        return parameter.Layout.RowsOfHead.Select(
            (rows, part) => inModel.select(1, part).narrow(1, 0, rows).reshape([heads * rows, .. rest]));
    }
}
