using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using SnapViT.Data;

namespace SnapViT.Extensions.AI;

/// <summary>Registers embeddings of images with a container of services.</summary>
public static class SnapViTServiceCollectionExtensions
{
    /// <summary>
    /// Registers a model as the <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of images. The model is made when it is first asked
    /// for, once, and the container disposes it.
    /// </summary>
    /// <param name="services">The container's services.</param>
    /// <param name="embedder">
    /// Makes the model, such as
    /// <c>_ =&gt; new SubnetPool(ElasticViT.Open("model.safetensors", "scores.safetensors"), 4, ownsModel: true)</c>.
    /// </param>
    /// <param name="options">What a request that does not say it gets; null for the defaults.</param>
    /// <returns>A builder that adds caches, logging and telemetry around the generator.</returns>
    public static EmbeddingGeneratorBuilder<DataContent, Embedding<float>> AddSnapViTEmbeddings(
        this IServiceCollection services, Func<IServiceProvider, IImageEmbedder> embedder, SnapViTEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(embedder);
        services.AddSingleton(embedder);
        return services.AddEmbeddingGenerator(
            provider => new SnapViTEmbeddingGenerator(provider.GetRequiredService<IImageEmbedder>(), options));
    }

    /// <summary>The same under a key, for programs with several models.</summary>
    /// <param name="services">The container's services.</param>
    /// <param name="serviceKey">The key of the generator and of its model.</param>
    /// <param name="embedder">Makes the model.</param>
    /// <param name="options">What a request that does not say it gets; null for the defaults.</param>
    /// <returns>A builder that adds caches, logging and telemetry around the generator.</returns>
    public static EmbeddingGeneratorBuilder<DataContent, Embedding<float>> AddKeyedSnapViTEmbeddings(
        this IServiceCollection services, object serviceKey, Func<IServiceProvider, IImageEmbedder> embedder,
        SnapViTEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(serviceKey);
        ArgumentNullException.ThrowIfNull(embedder);
        services.AddKeyedSingleton(serviceKey, (provider, _) => embedder(provider));
        return services.AddKeyedEmbeddingGenerator(
            serviceKey, provider => new SnapViTEmbeddingGenerator(provider.GetRequiredKeyedService<IImageEmbedder>(serviceKey), options));
    }
}
