using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.AI;
using SkiaSharp;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Extensions.AI;
using SnapViT.Tests.Data;
using SnapViT.Tests.Elastic;
using static TorchSharp.torch;

namespace SnapViT.Tests.ExtensionsAI;

/// <summary>Embeddings of a small elastic model through the interface of Microsoft.Extensions.AI.</summary>
[LeakCheck]
public sealed class SnapViTEmbeddingGeneratorTests : IDisposable
{
    private readonly ElasticViT _elastic = ElasticModels.Create(corrected: false);
    private readonly SubnetPool _pool;
    private readonly SnapViTEmbeddingGenerator _generator;

    public SnapViTEmbeddingGeneratorTests()
    {
        _pool = new SubnetPool(_elastic, 5);

        // The pool's sub-networks are made here: what a test leaves is then a leak.
        foreach (double share in new[] { 0.4, 0.5, 0.6, 0.8, 1 })
        {
            _pool.Lease(Budget.Flops(share)).Dispose();
        }

        _generator = new SnapViTEmbeddingGenerator(_pool, new SnapViTEmbeddingOptions { BatchSize = 2 });
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _generator.Dispose();
        _pool.Dispose();
        _elastic.Dispose();
    }

    [Fact]
    public async Task Embeddings_are_the_features_of_the_library_in_the_order_of_the_images()
    {
        DataContent[] images = [.. Enumerable.Range(1, 5).Select(Image)];
        GeneratedEmbeddings<Embedding<float>> embeddings = await _generator.GenerateAsync(images, cancellationToken: Token);
        using Subnet whole = _elastic.At(Budget.Whole);
        Assert.Equal(5, embeddings.Count);
        foreach ((DataContent image, Embedding<float> embedding) in images.Zip(embeddings))
        {
            using Tensor expected = whole.Embed(image.Data.Span);
            AssertClose(expected.data<float>().ToArray(), embedding.Vector.ToArray());
            Assert.Equal("model@1", embedding.ModelId);
        }
    }

    [Fact]
    public async Task No_images_give_no_embeddings() => Assert.Empty(await _generator.GenerateAsync([], cancellationToken: Token));

    [Fact]
    public async Task The_name_of_the_model_chooses_the_budget()
    {
        float[] half = await Vector(new EmbeddingGenerationOptions { ModelId = "model@0.5" });
        using Subnet subnet = _elastic.At(Budget.Flops(0.5));
        using Tensor expected = subnet.Embed(Image(1).Data.Span);
        AssertClose(expected.data<float>().ToArray(), half);
        Assert.NotEqual(await Vector(null), half);
    }

    public static TheoryData<object> Budgets => [(object)"0.5", 0.5, JsonSerializer.SerializeToElement("0.5"), JsonSerializer.SerializeToElement(0.5), Budget.Flops(0.5)];

    [Theory, MemberData(nameof(Budgets))]
    public async Task The_additional_property_chooses_the_budget_whatever_its_type(object budget) => Assert.Equal(
        await Vector(new EmbeddingGenerationOptions { ModelId = "model@0.5" }),
        await Vector(new EmbeddingGenerationOptions { AdditionalProperties = new() { [SnapViTEmbeddingGenerator.BudgetProperty] = budget } }));

    [Fact]
    public async Task The_budget_of_the_options_serves_requests_that_say_none()
    {
        using SnapViTEmbeddingGenerator half = new(_pool, new SnapViTEmbeddingOptions { Budget = "0.5" });
        Embedding<float> embedding = await half.GenerateAsync(Image(1), cancellationToken: Token);
        Assert.Equal(await Vector(new EmbeddingGenerationOptions { ModelId = "model@0.5" }), embedding.Vector.ToArray());
        Assert.Equal("model@0.5", embedding.ModelId);
    }

    [Fact]
    public async Task Normalized_embeddings_have_length_1_and_the_same_direction()
    {
        using SnapViTEmbeddingGenerator unit = new(_pool, new SnapViTEmbeddingOptions { Normalize = true });
        float[] scaled = (await unit.GenerateVectorAsync(Image(1), cancellationToken: Token)).ToArray(), own = await Vector(null);
        double length = Math.Sqrt(own.Sum(value => (double)value * value));
        AssertClose([.. own.Select(value => (float)(value / length))], scaled);
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "name", "model: expected model, or model@0.6 for a budget, found 'clip@0.5'" },
        { "budget", "FLOPs: expected a share kept above 0 and up to 1 (1 is the whole model), found 1.5" },
        { "property", "budget: expected a text such as 0.6, a number or a budget, found a List`1" },
        { "dimensions", "dimensions: expected 64, which this model gives, or none, found 7" },
        { "text", "image 1: expected an image, found text/plain" },
        { "damaged", "broken.png: expected a JPEG, PNG, WebP, BMP or TIFF image, found no usable header in 3 bytes" },
    };

    [Theory, MemberData(nameof(Faults))]
    public async Task What_is_asked_wrongly_is_told_in_one_line(string fault, string message)
    {
        EmbeddingGenerationOptions? options = fault switch
        {
            "name" => new() { ModelId = "clip@0.5" },
            "budget" => new() { ModelId = "model@1.5" },
            "property" => new() { AdditionalProperties = new() { [SnapViTEmbeddingGenerator.BudgetProperty] = new List<int>() } },
            "dimensions" => new() { Dimensions = 7 },
            _ => null,
        };
        DataContent[] images = fault switch
        {
            "text" => [Image(1), new DataContent(new byte[] { 1, 2, 3 }, "text/plain")],
            "damaged" => [Image(1), new DataContent(new byte[] { 1, 2, 3 }, "image/png") { Name = "broken.png" }],
            _ => [Image(1)],
        };
        SnapViTException wrong = await Assert.ThrowsAnyAsync<SnapViTException>(() => _generator.GenerateAsync(images, options, Token));
        Assert.StartsWith(message, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', wrong.Message);
    }

    [Fact]
    public void Options_out_of_range_are_refused() =>
        Assert.Throws<SnapViTException>(() => new SnapViTEmbeddingGenerator(_pool, new SnapViTEmbeddingOptions { BatchSize = 0 }));

    [Fact]
    public void Services_are_the_metadata_the_model_and_itself()
    {
        IEmbeddingGenerator generator = _generator;
        EmbeddingGeneratorMetadata metadata = generator.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(("snapvit", "model", 64), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(_pool, generator.GetService(typeof(IImageEmbedder)));
        Assert.Same(_pool, generator.GetService(typeof(SubnetPool)));
        Assert.Same(_generator, generator.GetService<IEmbeddingGenerator<DataContent, Embedding<float>>>());
        Assert.Null(generator.GetService(typeof(string)));
        Assert.Null(generator.GetService(typeof(IImageEmbedder), "key"));
    }

    [Fact]
    public async Task Many_threads_and_budgets_get_what_one_gets()
    {
        string[] budgets = ["0.4", "0.6", "0.8", "1"];
        Dictionary<string, float[]> expected = [];
        foreach (string budget in budgets)
        {
            expected[budget] = await Vector(new EmbeddingGenerationOptions { ModelId = $"model@{budget}" });
        }

        using SnapViTEmbeddingGenerator parallel = new(_pool, new SnapViTEmbeddingOptions { MaxConcurrency = 4 });
        ConcurrentBag<(string Budget, float[] Vector)> found = [];
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), Token, async (request, cancellation) =>
        {
            string budget = budgets[request % budgets.Length];
            EmbeddingGenerationOptions options = new() { ModelId = $"model@{budget}" };
            found.Add((budget, (await parallel.GenerateVectorAsync(Image(1), options, cancellation)).ToArray()));
        });
        Assert.Equal(40, found.Count);
        Assert.All(found, one => AssertClose(expected[one.Budget], one.Vector));
    }

    [Fact]
    public async Task A_request_is_cut_into_batches_and_cancelled_between_two()
    {
        using CancellationTokenSource stop = new();
        RecordingEmbedder embedder = new(batch =>
        {
            if (batch == 2)
            {
                stop.Cancel();
            }
        });
        using SnapViTEmbeddingGenerator generator = new(embedder, new SnapViTEmbeddingOptions { BatchSize = 3 });
        await generator.GenerateAsync([.. Enumerable.Range(0, 2).Select(Image)], cancellationToken: stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => generator.GenerateAsync([.. Enumerable.Range(0, 9).Select(Image)], cancellationToken: stop.Token));
        Assert.Equal([2, 3], embedder.Batches);
    }

    [Fact]
    public async Task A_request_that_waits_for_its_turn_can_be_cancelled()
    {
        using ManualResetEventSlim go = new();
        RecordingEmbedder embedder = new(_ => go.Wait(Token));
        using SnapViTEmbeddingGenerator generator = new(embedder);
        Task first = generator.GenerateAsync(Image(1), cancellationToken: Token);
        using CancellationTokenSource stop = new();
        Task second = generator.GenerateAsync(Image(2), cancellationToken: stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        go.Set();
        await first;
        Assert.Single(embedder.Batches);
    }

    [Fact]
    public async Task Telemetry_around_it_tells_the_model_and_the_provider()
    {
        List<Activity> told = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == "snapvit-test",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = told.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using SnapViTEmbeddingGenerator inner = new(_pool);
        using IEmbeddingGenerator<DataContent, Embedding<float>> traced =
            inner.AsBuilder().UseOpenTelemetry(sourceName: "snapvit-test").Build();
        await traced.GenerateAsync([Image(1)], cancellationToken: Token);
        Activity activity = Assert.Single(told);
        Assert.Equal("embeddings model", activity.DisplayName);
        Assert.Equal("snapvit", activity.GetTagItem("gen_ai.provider.name"));
    }

    private static DataContent Image(int seed) =>
        new(TemporaryImages.Encode(TemporaryImages.Random(20, 16, (ulong)seed), SKEncodedImageFormat.Png), "image/png");

    private static void AssertClose(float[] expected, float[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
    }

    private async Task<float[]> Vector(EmbeddingGenerationOptions? options) =>
        (await _generator.GenerateVectorAsync(Image(1), options, Token)).ToArray();

    /// <summary>A model that notes the sizes of its batches.</summary>
    private sealed class RecordingEmbedder(Action<int> before) : IImageEmbedder
    {
        private readonly ConcurrentQueue<int> _batches = [];

        public IReadOnlyList<int> Batches => [.. _batches];

        public string ModelName => "recording";

        public int FeatureDim => 1;

        public IReadOnlyList<ReadOnlyMemory<float>> Embed(IReadOnlyList<ImageEntry> images, Budget budget, CancellationToken cancellation)
        {
            _batches.Enqueue(images.Count);
            before(_batches.Count);
            return [.. images.Select(_ => new ReadOnlyMemory<float>([1f]))];
        }
    }
}
