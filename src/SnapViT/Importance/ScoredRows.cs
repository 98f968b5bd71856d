using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Models.Parts;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// The rows that stand for the structures: a neuron's row of <c>fc1</c> (SwiGLU: <c>w1</c>), a head's d rows of the values.
/// </summary>
internal static class ScoredRows
{
    /// <summary>Rows of one layer, [H, D] or [A*d, D]; the caller disposes them.</summary>
    /// <param name="weights">The unpruned weights.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer">Fc1, or Qkv for the rows of the values.</param>
    public static Tensor Weights(ViTWeights weights, int block, BlockLinear layer)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = weights.Blocks[block][layer].Weight;
        Tensor rows = layer == BlockLinear.Fc1 ? weight.alias() : AttentionPart.Values(weight);
        return rows.MoveToOuterDisposeScope();
    }

    /// <summary>Scores of all structures from scores of rows: a neuron's own, the mean over a head's.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="rows">Scores of the rows of a layer: Fc1 [H], or Qkv for the values [A*d].</param>
    public static ImportanceScores Scores(ViTArchitecture architecture, Func<int, BlockLinear, double[]> rows)
    {
        ViTArchitecture a = architecture;
        double[,] neurons = new double[a.Depth, a.MlpDim];
        double[,] heads = new double[a.Depth, a.Heads];
        for (int block = 0; block < a.Depth; block++)
        {
            double[] ofNeurons = rows(block, BlockLinear.Fc1), ofValues = rows(block, BlockLinear.Qkv);
            for (int neuron = 0; neuron < a.MlpDim; neuron++)
            {
                neurons[block, neuron] = ofNeurons[neuron];
            }

            for (int head = 0; head < a.Heads; head++)
            {
                heads[block, head] = ofValues.AsSpan(head * a.HeadDim, a.HeadDim).ToArray().Average();
            }
        }

        return new ImportanceScores(neurons, heads);
    }
}
