using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using static TorchSharp.torch;

namespace SnapViT.Samples.Embeddings;

/// <summary>The program from its arguments to its exit code: 0 done, 1 wrong arguments or files, told in one line.</summary>
internal static class Sample
{
    private const string Usage = "usage: Embeddings MODEL PHOTOS SCORES OUT";

    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        if (args is not [string model, string photos, string scores, string small])
        {
            error.WriteLine($"Embeddings: expected four arguments, found {args.Length}; {Usage}");
            return 1;
        }

        try
        {
            using ElasticViT elastic = File.Exists(scores) ? ElasticViT.Open(model, scores) : Build(model, photos, scores);
            Embed(elastic, photos, small, output);
            return 0;
        }
        catch (Exception wrong) when (wrong is SnapViTException or IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"Embeddings: {wrong.Message.ReplaceLineEndings(" ")}");
            return 1;
        }
    }

    /// <summary>Scores the model once; the next run opens what is saved here.</summary>
    private static ElasticViT Build(string model, string photos, string scores)
    {
        ElasticViT elastic = ElasticViT.Build(model, photos);
        elastic.SaveScores(scores);
        return elastic;
    }

    /// <summary>The largest sub-network within 60 % of the FLOPs: as features of the photos, and as a file of its own.</summary>
    private static void Embed(ElasticViT elastic, string photos, string small, TextWriter output)
    {
        using Subnet subnet = elastic.At(Budget.Flops(0.6));
        using ImageFeatures all = subnet.EmbedFolder(photos);
        using Tensor first = subnet.Embed(Path.Combine(photos, all.Names[0]));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{all.Names.Count} images, {first.shape[1]} features each"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{subnet.Plan.Parameters} parameters, {subnet.Plan.Flops} FLOPs"));
        foreach (string file in subnet.Save(small))
        {
            output.WriteLine(file);
        }
    }
}
