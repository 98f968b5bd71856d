using SkiaSharp;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Models;
using SnapViT.Runtime;
using SnapViT.Tests.Data;
using SnapViT.Tests.Export;
using static TorchSharp.torch;

namespace SnapViT.Tests.Runtime;

/// <summary>A family in ONNX Runtime gives what the library gives, at every size, and says in one line what is wrong.</summary>
public sealed class ViTFamilyTests : IDisposable
{
    private static readonly string[] Budgets = ["0.4", "0.7", "1"];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("snapvit-runtime-");

    private string Folder => Path.Combine(_root.FullName, "tiny");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    public void Dispose() => _root.Delete(recursive: true);

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Every_size_of_every_family_gives_the_features_and_scores_of_the_library(string name)
    {
        using VisionTransformer model = TinyModels.Create(name);
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(elastic);
        using ViTFamily family = ViTFamily.Open(Folder);
        ImageEntry[] images = [.. Enumerable.Range(1, 3).Select(Image)];
        foreach (string budget in Budgets)
        {
            FamilyMember member = family.At(Budget.Parse(budget));
            using Subnet subnet = elastic.At(Budget.Parse(budget));
            Assert.Equal((subnet.Plan.Flops, subnet.Plan.Parameters), (member.Flops, member.Parameters));
            Assert.Equal(subnet.Plan.Widths, member.Widths);
            using Tensor features = subnet.Embed(images);
            AssertClose(features, member.Embed(images, Token));
            if (model.Architecture.Classes > 0)
            {
                using Tensor logits = subnet.Classify(images);
                AssertClose(logits, member.Classify(images, Token));
            }
        }
    }

    [Fact]
    public void One_image_as_file_or_bytes_gives_what_it_gives_in_a_batch()
    {
        using ViTFamily family = OpenPlain();
        FamilyMember member = family.At(Budget.Whole);
        byte[] encoded = Encoded(1);
        string path = Path.Combine(_root.FullName, "one.png");
        File.WriteAllBytes(path, encoded);
        float[] expected = [.. member.Embed([Image(1)], Token)[0].Span];
        Assert.Equal(expected, member.Embed(path));
        Assert.Equal(expected, member.Embed(encoded));
        Assert.Equal(member.Classify(path), member.Classify(encoded));
        Assert.Equal((family.FeatureDim, 5), (expected.Length, member.Classify(path).Length));
    }

    [Fact]
    public void Weights_that_are_copied_give_the_same()
    {
        using ViTFamily shared = OpenPlain(), copied = ViTFamily.Open(Folder, new RuntimeOptions { CopyWeights = true, Threads = 1 });
        foreach (FamilyMember member in shared.Members)
        {
            float[] other = copied.Members.Single(one => one.Name == member.Name).Embed(Encoded(2));
            Assert.All(member.Embed(Encoded(2)).Zip(other), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        }
    }

    [Fact]
    public void The_largest_size_within_a_budget_is_taken()
    {
        using ViTFamily family = OpenPlain();
        Assert.Equal(["flops-1", "flops-0.7", "flops-0.4"], family.Members.Select(member => member.Name));
        Assert.Equal("flops-1", family.At(Budget.Whole).Name);
        Assert.Equal("flops-0.7", family.At(Budget.Flops(0.99)).Name);
        Assert.Equal("flops-0.4", family.At(Budget.Flops(0.4)).Name);
        Assert.Equal("flops-0.7", family.At(Budget.AbsoluteFlops(family.Members[0].Flops - 1)).Name);
        Assert.Equal("flops-0.4", family.At(Budget.AbsoluteParameters(family.Members[2].Parameters)).Name);
    }

    [Fact]
    public void A_budget_that_no_size_meets_or_knows_is_told()
    {
        using ViTFamily family = OpenPlain();
        BudgetException small = Assert.Throws<BudgetException>(() => family.At(Budget.Flops(0.1)));
        Assert.StartsWith("budget: the smallest size of tiny takes ", small.Message, StringComparison.Ordinal);
        Assert.Throws<BudgetException>(() => family.At(Budget.Ratios(0.5, 0.5)));
        Assert.Throws<BudgetException>(() => family.At(Budget.FileSize(0.5)));
        Assert.Throws<BudgetException>(() => family.At(Budget.Latency(0.5)));
        Assert.Throws<BudgetException>(() => family.InTime(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void A_deadline_takes_the_largest_size_that_was_fast_enough_else_the_fastest()
    {
        using ViTFamily family = OpenPlain();
        Assert.All(family.Members, member => Assert.Null(member.Latency));
        family.MeasureLatency(runs: 3, cancellation: Token);
        Assert.All(family.Members, member => Assert.True(member.Latency > TimeSpan.Zero));
        family.Members[0].Latency = TimeSpan.FromMilliseconds(10);
        family.Members[1].Latency = TimeSpan.FromMilliseconds(7);
        family.Members[2].Latency = TimeSpan.FromMilliseconds(4);
        Assert.Equal("flops-1", family.InTime(TimeSpan.FromMilliseconds(10)).Name);
        Assert.Equal("flops-0.7", family.InTime(TimeSpan.FromMilliseconds(9.9)).Name);
        Assert.Equal("flops-0.4", family.InTime(TimeSpan.FromMilliseconds(1)).Name);
        Assert.Equal("flops-0.7", family.At(Budget.Latency(0.7)).Name);
        Assert.Equal("flops-0.4", family.At(Budget.AbsoluteLatency(TimeSpan.FromMilliseconds(5))).Name);
    }

    [Fact]
    public void Many_threads_at_many_sizes_get_what_one_gets()
    {
        using ViTFamily family = OpenPlain(), again = ViTFamily.Open(Folder);
        float[][] expected = [.. family.Members.Select(member => member.Embed(Encoded(1)))];
        Parallel.For(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 6 }, request =>
        {
            int size = request % expected.Length;
            Assert.All(
                again.Members[size].Embed(Encoded(1)).Zip(expected[size]), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        });
    }

    [Fact]
    public async Task Embeddings_through_the_generator_are_those_of_the_size_asked_for()
    {
        using ViTFamily family = OpenPlain();
        using SnapViT.Extensions.AI.SnapViTEmbeddingGenerator generator = new(family);
        Microsoft.Extensions.AI.DataContent image = new(Encoded(1), "image/png");
        Microsoft.Extensions.AI.GeneratedEmbeddings<Microsoft.Extensions.AI.Embedding<float>> found =
            await generator.GenerateAsync([image], new() { ModelId = "tiny@0.7" }, Token);
        Assert.Equal(family.Members[1].Embed(Encoded(1)), found[0].Vector.ToArray());
    }

    [Fact]
    public void A_cancelled_call_ends_before_the_forward_pass()
    {
        using ViTFamily family = OpenPlain();
        using CancellationTokenSource stop = new();
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => family.Members[0].Embed([Image(1)], stop.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => family.MeasureLatency(cancellation: stop.Token));
    }

    [Fact]
    public void A_size_that_is_closed_says_so()
    {
        ViTFamily family = OpenPlain();
        family.Dispose();
        Assert.Throws<ObjectDisposedException>(() => family.Members[0].Embed(Encoded(1)));
        Assert.Throws<ObjectDisposedException>(() => family.Members[2].Embed(Encoded(1)));
    }

    [Fact]
    public void A_family_without_logits_says_what_it_has()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(elastic, new OnnxOptions { Outputs = OnnxOutputs.Features });
        using ViTFamily family = ViTFamily.Open(Folder);
        SnapViTException wrong = Assert.Throws<SnapViTException>(() => family.Members[0].Classify(Encoded(1)));
        Assert.Equal("flops-1: expected a graph with logits, found one with features only", wrong.Message);
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "no folder", "expected the folder of an ONNX family with its list family.json, found none" },
        { "no list", "expected the folder of an ONNX family with its list family.json, found none" },
        { "list", "expected the list of an ONNX family, found: " },
        { "no weights", "expected weights.data beside it, found no such file" },
        { "short weights", "expected an ONNX graph of a family, ONNX Runtime says: " },
        { "graph", "expected an ONNX graph of a family, ONNX Runtime says: " },
        { "empty", "expected a family of at least one size, found none" },
    };

    [Theory, MemberData(nameof(Damages))]
    public void A_damaged_family_is_told_in_one_line(string damage, string message)
    {
        OpenPlain().Dispose();
        string list = Path.Combine(Folder, "family.json"), weights = Path.Combine(Folder, "weights.data");
        switch (damage)
        {
            case "no folder":
                Directory.Delete(Folder, recursive: true);
                break;
            case "no list":
                File.Delete(list);
                break;
            case "list":
                File.WriteAllText(list, "{\"shared\": 3");
                break;
            case "no weights":
                File.Delete(weights);
                break;
            case "short weights":
                using (FileStream stream = File.OpenWrite(weights))
                {
                    stream.SetLength(stream.Length / 2);
                }

                break;
            case "graph":
                File.WriteAllBytes(Path.Combine(Folder, "flops-1.onnx"), [8, 8, 1, 2, 3]);
                break;
            default:
                File.WriteAllText(list, "{\"shared\": \"weights.data\", \"shared_bytes\": 1, \"members\": []}");
                break;
        }

        CheckpointFormatException wrong = Assert.Throws<CheckpointFormatException>(() => ViTFamily.Open(Folder));
        Assert.Contains(message, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', wrong.Message);
    }

    private static ImageEntry Image(int seed) => ImageEntry.FromBytes($"{seed}", Encoded(seed));

    private static byte[] Encoded(int seed) => TemporaryImages.Encode(TemporaryImages.Random(40, 36, (ulong)seed), SKEncodedImageFormat.Png);

    private static void AssertClose(Tensor expected, IReadOnlyList<ReadOnlyMemory<float>> found)
    {
        float[] values = [.. expected.data<float>()];
        float[] rows = [.. found.SelectMany(row => row.ToArray())];
        Assert.Equal(values.Length, rows.Length);
        Assert.All(values.Zip(rows), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
    }

    private void Save(ElasticViT elastic, OnnxOptions? options = null)
    {
        List<(string Name, Subnet Subnet)> subnets = [.. Budgets.Select(budget => ($"flops-{budget}", elastic.At(Budget.Parse(budget))))];
        elastic.SaveOnnxFamily(Folder, subnets, options);
        subnets.ForEach(subnet => subnet.Subnet.Dispose());
    }

    private ViTFamily OpenPlain()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(elastic);
        return ViTFamily.Open(Folder);
    }
}
