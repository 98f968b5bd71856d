using SnapViT.Core.Checkpoints;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>A model's tensors as checkpoints keep them: canonical names, qkv rows in the order [3, A, d].</summary>
internal static class CheckpointTensors
{
    /// <summary>Lists the tensors to write; what has to be copied for that is copied one by one, while it is written.</summary>
    public static IReadOnlyList<TensorToWrite> Of(VisionTransformer model) =>
    [
        .. model.Weights.Table.Select(parameter =>
        {
            Tensor tensor = model.Weights[parameter];
            return ArchiveTensors.ToWrite(parameter.Name, tensor.dtype, parameter.Shape, () => parameter.ToCheckpoint(tensor));
        }),
    ];
}
