using SnapViT.Core.Architecture;
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

    /// <summary>The tensors of a float32 model, for whoever asks for their shapes alone: nothing is written of them.</summary>
    public static IEnumerable<TensorToWrite> Empty(ViTArchitecture architecture, SubnetWidths widths) =>
        ParameterTable.For(architecture, widths)
            .Select(parameter => new TensorToWrite(parameter.Name, TensorType.Float32, parameter.Shape, _ => { }));
}
