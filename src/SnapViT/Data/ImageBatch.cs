using static TorchSharp.torch;

namespace SnapViT.Data;

/// <summary>Images of one forward pass. Owns its tensor.</summary>
/// <param name="Images">Normalised values, float32 [B, ...].</param>
/// <param name="Files">The images' files, B.</param>
public sealed record ImageBatch(Tensor Images, IReadOnlyList<ImageFile> Files) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Images.Dispose();
}

/// <summary>A file that was left out because it is no readable image.</summary>
/// <param name="Name">Path below the folder.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record SkippedFile(string Name, string Reason);
