using SnapViT.Core.Errors;
using SnapViT.Core.Planning;

namespace SnapViT.Data;

/// <summary>
/// A model that turns encoded images into features, with as much work as a budget allows. <c>SubnetPool</c> of SnapViT and the families of
/// SnapViT.Runtime are such models.
/// </summary>
/// <remarks>Thread-safe, but for being disposed.</remarks>
public interface IImageEmbedder
{
    /// <summary>The model's name, for messages and metadata.</summary>
    string ModelName { get; }

    /// <summary>Numbers of one image's features, whatever the budget.</summary>
    int FeatureDim { get; }

    /// <summary>Features of several images in one forward pass.</summary>
    /// <param name="images">The images, at least one. All must be readable.</param>
    /// <param name="budget">What the forward pass may cost.</param>
    /// <param name="cancellation">Stops before the forward pass.</param>
    /// <returns>One vector an image, in their order.</returns>
    /// <exception cref="SnapViTException">An image is none or damaged, or the budget is impossible.</exception>
    /// <exception cref="System.IO.IOException">An image cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    IReadOnlyList<ReadOnlyMemory<float>> Embed(
        IReadOnlyList<ImageEntry> images, Budget budget, CancellationToken cancellation = default);
}
