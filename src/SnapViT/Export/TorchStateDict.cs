using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export;

/// <summary>
/// Models as PyTorch state dicts with the names and layouts of timm's <c>VisionTransformer</c> (docs/pytorch.md shows how timm takes them).
/// </summary>
internal static class TorchStateDict
{
    /// <summary>Writes a state dict that plain <c>torch.load(path, weights_only=True)</c> reads; atomically.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="model">The model, pruned or not; stays the caller's.</param>
    /// <exception cref="SnapViTException">timm's <c>VisionTransformer</c> has no such model, or the file would reach 4 GiB.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    public static void Save(string path, VisionTransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        RequireTimm(model.Architecture);
        using DisposeScope scope = NewDisposeScope();
        TorchArchiveWriter.WriteStateDict(path, InTimm(model.Architecture, CheckpointTensors.Of(model)));
    }

    /// <summary>Bytes of the file that <see cref="Save"/> makes of a float32 model.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    public static long Bytes(ViTArchitecture architecture, SubnetWidths widths) =>
        TorchArchiveWriter.Length(InTimm(architecture, CheckpointTensors.Empty(architecture, widths)));

    private static IReadOnlyList<TensorToWrite> InTimm(ViTArchitecture architecture, IEnumerable<TensorToWrite> tensors) =>
        StateDictWriter.ToFormat(
            StateDictFormats.Named(architecture.Mlp == MlpKind.SwiGlu ? "timm-packed" : "timm"), architecture, tensors);

    /// <summary>Checks that timm's <c>VisionTransformer</c> has such models.</summary>
    /// <exception cref="SnapViTException">It has not.</exception>
    public static void RequireTimm(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        string? other = architecture switch
        {
            { Position: PositionEmbedding.Rotary } => "rotary positions (DINOv3)",
            { ProjectionDim: > 0 } => "a projection (CLIP)",
            _ => null,
        };
        if (other is not null)
        {
            throw new SnapViTException(
                ErrorKind.Architecture,
                $"PyTorch state dict: expected a model of timm's VisionTransformer, found one with {other}, "
                    + "which timm builds otherwise; write safetensors or ONNX");
        }
    }
}
