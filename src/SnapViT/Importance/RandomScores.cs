using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;

namespace SnapViT.Importance;

/// <summary>Scores without any information: uniform in (0, 1], neurons and heads from streams of their own.</summary>
internal static class RandomScores
{
    /// <summary>Scores of a model; the same seed gives the same scores.</summary>
    public static ImportanceScores Of(ViTArchitecture architecture, ulong seed) => new(
        Uniform(SeededRandom.ForPurpose(seed, "random scores of neurons"), architecture.Depth, architecture.MlpDim),
        Uniform(SeededRandom.ForPurpose(seed, "random scores of heads"), architecture.Depth, architecture.Heads));

    private static double[,] Uniform(SeededRandom random, int blocks, int structures)
    {
        double[,] scores = new double[blocks, structures];
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i / structures, i % structures] = 1 - random.NextDouble();
        }

        return scores;
    }
}
