using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// Writes a random model of the size of ViT-L and its scores with second moments, for what is measured on files: the memory of <c>snapvit cut</c>.
/// </summary>
internal static class RandomFiles
{
    public const string Name = "random-files";

    /// <summary>Writes <c>model.safetensors</c> (1.2 GB) and <c>scores.safetensors</c> (0.9 GB).</summary>
    /// <param name="folder">Where to; made if it is not there.</param>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        ViTArchitecture a = RandomModel.Large;
        string path = Path.Combine(folder, "model.safetensors");
        using (VisionTransformer model = RandomModel.Create(a, ScalarType.Float32, CPU))
        {
            ModelFile.Save(path, model, ModelConfig.Of(a, a.FullWidths));
        }

        StoredLayerMoments proj = Moments(a.Heads * a.HeadDim), fc2 = Moments(a.MlpDim);
        Dictionary<string, string> provenance = new() { [ElasticScores.ModelHash] = ModelFile.Hash(path) };
        ElasticScores scores = new(RandomModel.Scores(a), ScoreCoefficients.Equal(a.FullWidths), new KeepFloors(), provenance)
        {
            Moments = new StoredMoments(256, [.. Enumerable.Repeat(proj, a.Depth)], [.. Enumerable.Repeat(fc2, a.Depth)]),
        };
        scores.Save(Path.Combine(folder, "scores.safetensors"));
    }

    /// <summary>Inputs of variance 1 that correlate by a tenth.</summary>
    private static StoredLayerMoments Moments(int width)
    {
        float[] covariance = new float[width * (width + 1) / 2];
        Array.Fill(covariance, 0.1f);
        for (int row = 0; row < width; row++)
        {
            covariance[(row * (row + 3)) / 2] = 1;
        }

        return new StoredLayerMoments(new double[width], 1000, values => covariance.CopyTo(values));
    }
}
