using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

// DeiT-Ti in full size: random weights where any prove it, else the trained ones and photos, which do not travel with the project.
// Bounds are of this project: measured values (docs/onnx.md) with a margin of about two.
public sealed class DeitTinyOnnxTests : IDisposable
{
    private const int Photos = 32;

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("snapvit-deit-onnx-");

    private string Graph => Path.Combine(_root.FullName, "model.onnx");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact, LeakCheck]
    public void A_cut_model_gives_the_same_numbers_in_onnx_runtime()
    {
        using VisionTransformer model = TinyModels.Random(TinyModels.DeitTiny);
        using ElasticViT elastic = TinyModels.Elastic(model);
        using Subnet subnet = elastic.Cut(elastic.Planner.Plan(Budget.Flops(0.6)));
        Save(subnet.Model, OnnxPrecision.Float32);
        using OnnxRun run = new(Graph);
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(TinyModels.DeitTiny, 8);
        run.Run("features", images).ShouldBeWithin(1e-4, subnet.Embed(images));
        run.Run("logits", images).ShouldBeWithin(1e-4, subnet.Classify(images));
    }

    [Fact, LeakCheck]
    public void A_family_of_ten_budgets_agrees_with_its_twins_within_the_bytes_of_one_model()
    {
        using VisionTransformer model = TinyModels.Random(TinyModels.DeitTiny);
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(model, OnnxPrecision.Float32);
        string folder = Path.Combine(_root.FullName, "family");
        double[] shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
        OnnxFamilyFiles files = elastic.SaveOnnxFamily(folder, Cut(elastic, shares));
        Assert.InRange(files.TotalBytes, 1, (long)(1.05 * new FileInfo(Graph).Length));
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(TinyModels.DeitTiny, 1);
        foreach (double share in shares)
        {
            using Subnet twin = elastic.At(Budget.Flops(share));
            using OnnxRun run = new(Path.Combine(folder, $"{share}.onnx"));
            run.Run("logits", images).ShouldBeWithin(1e-4, twin.Classify(images));
        }
    }

    [Theory, LeakCheck]
    [InlineData(OnnxPrecision.Float16, true, 1, 0.99999)]
    [InlineData(OnnxPrecision.Int8, true, 0.9, 0.999)]
    [InlineData(OnnxPrecision.Int8, false, 0.9, 0.999)]
    public void Smaller_weights_keep_the_answers(OnnxPrecision precision, bool exact, double sameAnswers, double cosine)
    {
        using LoadedModel loaded = ModelFile.Load(SharedFolder.Require("models", "deit_tiny_patch16_224.safetensors"));
        Save(loaded.Model, precision);
        using OnnxRun run = new(Graph, exact);
        int same = 0;
        double similarity = 0;
        foreach (ImageBatch batch in Batches(Photos))
        {
            using var scope = NewDisposeScope();
            Tensor before = loaded.Model.Logits(batch.Images), after = run.Run("logits", batch.Images);
            same += (int)before.argmax(1).eq(after.argmax(1)).sum().item<long>();
            similarity += nn.functional.cosine_similarity(before, after, 1, 1e-8).sum().item<float>();
        }

        Assert.InRange(same, sameAnswers * Photos, Photos);
        Assert.InRange(similarity / Photos, cosine, 1 + 1e-6);
    }

    private void Save(VisionTransformer model, OnnxPrecision precision) => OnnxExport.Save(Graph, model, TinyModels.Config(model.Architecture, model.Widths), new OnnxOptions { Precision = precision });

    private static IEnumerable<(string Name, Subnet Subnet)> Cut(ElasticViT elastic, IEnumerable<double> shares)
    {
        foreach (double share in shares)
        {
            using Subnet subnet = elastic.At(Budget.Flops(share));
            yield return ($"{share}", subnet);
        }
    }

    private static IEnumerable<ImageBatch> Batches(int count)
    {
        ImageSet folder = ImageSet.FromFolder(SharedFolder.Require("images", "imagenet-sample"));
        int stride = folder.Count / count;
        ImageSet images = new(folder.Source, Enumerable.Range(0, count).Select(index => folder.Entries[index * stride]));
        ImageReader reader = new(images, new ImageConsumer(images, ImagePreparation.Whole(Preprocessing.Reference), Math.Min(count, 16)));
        foreach (ImageBatch batch in reader.Batches(TestContext.Current.CancellationToken))
        {
            using (batch)
            {
                yield return batch;
            }
        }
    }
}
