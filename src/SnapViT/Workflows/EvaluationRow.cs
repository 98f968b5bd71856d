using SnapViT.Core.Planning;

namespace SnapViT.Workflows;

/// <summary>What one sub-network costs and is worth, as far as it was measured.</summary>
/// <param name="Removed">Shares of neurons and heads removed.</param>
/// <param name="Parameters">Learned parameters.</param>
/// <param name="Flops">FLOPs of one image.</param>
/// <param name="Top1">Accuracy by the model's own classifier, 0..1; null where it has none or the labels are of other classes.</param>
/// <param name="Knn">Accuracy by 20 nearest neighbours, 0..1; null without training images.</param>
/// <param name="ImagesPerSecond">Speed of the forward pass alone, at the batch size of the evaluation.</param>
/// <param name="Images">Test images that top-1 and speed were measured on.</param>
/// <param name="KnnImages">
/// Test images that k-NN was measured on: those whose class is among the training images; null without training images.
/// </param>
public sealed record EvaluationRow(
    PruningRatios Removed, long Parameters, long Flops, double? Top1, double? Knn, double ImagesPerSecond, int Images, int? KnnImages);
