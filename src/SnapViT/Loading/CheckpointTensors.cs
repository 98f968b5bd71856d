using SnapViT.Core.Checkpoints;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>A model's tensors as checkpoints keep them: canonical names, qkv rows in the order [3, A, d].</summary>
internal static class CheckpointTensors
{
    /// <summary>Lists the tensors to write; what has to be copied for that belongs to the caller's dispose scope.</summary>
    public static IReadOnlyList<TensorToWrite> Of(VisionTransformer model)
    {
        using IDisposable frozen = no_grad();
        return
        [
            .. model.Weights.Table.Select(parameter => ArchiveTensors.ToWrite(parameter.Name, parameter.ToCheckpoint(model.Weights[parameter]))),
        ];
    }
}
