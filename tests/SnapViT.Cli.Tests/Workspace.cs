using SkiaSharp;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Tests;
using SnapViT.Tests.Data;

namespace SnapViT.Cli.Tests;

/// <summary>A folder with a small model of three classes and photos of as many, in which commands run.</summary>
internal sealed class Workspace : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public Workspace(int images = 12)
    {
        ModelPath = SmallModels.Save(In("model.safetensors"), SmallModels.Vit);
        for (int i = 0; i < images; i++)
        {
            _folder.Put($"photos/{"abc"[i % 3]}/{i:D2}.jpg", TemporaryImages.Random(20, 16, (ulong)i), SKEncodedImageFormat.Jpeg);
        }
    }

    public string Root => _folder.Root;

    public string ModelPath { get; }

    public string Photos => In("photos");

    public string Scores => In("scores.safetensors");

    public string Out => In("out.safetensors");

    /// <summary>Options under which a result depends on nothing but the input.</summary>
    public static string Fixed => "--threads 1 --precision fp32";

    /// <summary>A short build of the model on the photos.</summary>
    public string BuildLine(string path) => $"build {ModelPath} --images {Photos} --out {path} --evaluations 4 --batch 4 --force {Fixed}";

    public string In(string name) => Path.Combine(_folder.Root, name);

    public string Put(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(name))!);
        File.WriteAllText(In(name), content);
        return In(name);
    }

    /// <summary>Scores of the model that no build had to make.</summary>
    public Workspace WithScores()
    {
        SaveScores(ModelPath, Scores);
        return this;
    }

    /// <summary>Scores for the bytes of a model file.</summary>
    public static void SaveScores(string model, string path)
    {
        ViTArchitecture a = SmallModels.Vit;
        Dictionary<string, string> provenance = new() { [ElasticScores.ModelHash] = ModelFile.Hash(model) };
        new ElasticScores(SmallModels.Scores(a), ScoreCoefficients.Initial(a.FullWidths), new KeepFloors(), provenance).Save(path);
    }

    /// <summary>Names of the files beside the photos.</summary>
    public string[] Files() => [.. Directory.EnumerateFiles(Root).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Dispose();
}
