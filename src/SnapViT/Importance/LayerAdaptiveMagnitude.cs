using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The reference's <c>lamp</c> (Lee et al., 2021, without the square): every weight's magnitude over the root of the squares of all weights
/// of its layer that are no smaller, averaged over a structure's rows. No image is looked at.
/// </summary>
/// <remarks>
/// The sum starts at the largest weight; the reference's <c>norm^2 - cumsum</c> in float32 cancels to NaN there in large layers.
/// </remarks>
internal static class LayerAdaptiveMagnitude
{
    /// <summary>Scores of a model.</summary>
    /// <param name="weights">The unpruned weights.</param>
    public static ImportanceScores Of(ViTWeights weights) =>
        ScoredRows.Scores(weights.Architecture, (block, layer) => Rows(weights, block, layer));

    private static double[] Rows(ViTWeights weights, int block, BlockLinear layer)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = ScoredRows.Weights(weights, block, layer);
        double[] magnitudes = rows.to(ScalarType.Float64).abs().cpu().contiguous().data<double>().ToArray();
        double[] ascending = [.. magnitudes];
        int[] positions = [.. Enumerable.Range(0, magnitudes.Length)];
        Array.Sort(ascending, positions);
        int width = (int)rows.shape[1];
        double[] scores = new double[rows.shape[0]];
        double squares = 0;
        for (int i = ascending.Length - 1; i >= 0; i--)
        {
            squares += ascending[i] * ascending[i];
            scores[positions[i] / width] += squares > 0 ? ascending[i] / Math.Sqrt(squares) / width : 0;
        }

        return scores;
    }
}
