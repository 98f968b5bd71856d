using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Images of one forward pass. Owns its tensor.</summary>
internal sealed class ImageBatch(Tensor images, IReadOnlyList<ImageEntry> entries) : IDisposable
{
    /// <summary>Normalised values, float32 [B, ...], on the device of the consumer.</summary>
    public Tensor Images { get; } = images;

    /// <summary>Where the images come from, B.</summary>
    public IReadOnlyList<ImageEntry> Entries { get; } = entries;

    /// <summary>The classes of labelled images, int64 [B], on the device of the images; the caller disposes it.</summary>
    public Tensor Labels() => tensor(Entries.Select(entry => (long)entry.Label!.Value).ToArray(), device: Images.device);

    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}
