using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Images of one forward pass. Owns its tensor.</summary>
/// <param name="Images">Normalised values, float32 [B, ...].</param>
/// <param name="Entries">Where the images come from, B.</param>
public sealed record ImageBatch(Tensor Images, IReadOnlyList<ImageEntry> Entries) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}
