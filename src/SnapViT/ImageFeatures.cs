using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>Features of many images, with the images' names. Owns its tensor.</summary>
public sealed class ImageFeatures : IDisposable
{
    internal ImageFeatures(Tensor features, IReadOnlyList<string> names, IReadOnlyList<SkippedImage> skipped) =>
        (Features, Names, Skipped) = (features, names, skipped);

    /// <summary>One row per image that could be read, float32 [n, D] on the CPU.</summary>
    public Tensor Features { get; }

    /// <summary>The images' names, n, in the order of the rows.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Files that were left out because they are no readable images.</summary>
    public IReadOnlyList<SkippedImage> Skipped { get; }

    /// <inheritdoc/>
    public void Dispose() => Features.Dispose();
}
