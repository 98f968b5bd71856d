using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Extensions.AI;

namespace SnapViT.Tests.ExtensionsAI;

/// <summary>Registrations give one generator, made late, with its key, and dispose the model with the container.</summary>
public sealed class ServiceCollectionTests
{
    [Fact]
    public async Task One_generator_over_one_model_is_made_late_and_disposed_with_the_container()
    {
        CountedEmbedder? made = null;
        int count = 0;
        ServiceCollection services = new();
        services.AddSnapViTEmbeddings(_ =>
        {
            count++;
            return made = new CountedEmbedder("one");
        }).UseOpenTelemetry();
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            Assert.Equal(0, count);
            IEmbeddingGenerator<DataContent, Embedding<float>> generator =
                provider.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>();
            Assert.Same(generator, provider.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>());
            Assert.Same(made, generator.GetService(typeof(IImageEmbedder)));
            Assert.Equal("one", generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelId);
            Assert.Equal((1, false), (count, made!.IsDisposed));
        }

        Assert.True(made.IsDisposed);
    }

    [Fact]
    public async Task Keys_keep_models_apart()
    {
        ServiceCollection services = new();
        services.AddKeyedSnapViTEmbeddings("small", _ => new CountedEmbedder("small"), new SnapViTEmbeddingOptions { Budget = "0.5" });
        services.AddKeyedSnapViTEmbeddings("large", _ => new CountedEmbedder("large"));
        await using ServiceProvider provider = services.BuildServiceProvider();
        foreach (string key in new[] { "small", "large" })
        {
            IEmbeddingGenerator generator = provider.GetRequiredKeyedService<IEmbeddingGenerator<DataContent, Embedding<float>>>(key);
            Assert.Equal(key, generator.GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelId);
        }

        Assert.Null(provider.GetService<IEmbeddingGenerator<DataContent, Embedding<float>>>());
    }

    private sealed class CountedEmbedder(string name) : IImageEmbedder, IDisposable
    {
        public bool IsDisposed { get; private set; }

        public string ModelName => name;

        public int FeatureDim => 1;

        public IReadOnlyList<ReadOnlyMemory<float>> Embed(IReadOnlyList<ImageEntry> images, Budget budget, CancellationToken cancellation) =>
            [.. images.Select(_ => new ReadOnlyMemory<float>([1f]))];

        public void Dispose() => IsDisposed = true;
    }
}
