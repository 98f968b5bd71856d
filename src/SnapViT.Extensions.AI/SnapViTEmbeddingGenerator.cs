using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;

namespace SnapViT.Extensions.AI;

/// <summary>
/// Embeds encoded images (JPEG, PNG, WebP, BMP) for everything that takes Microsoft.Extensions.AI's generators. One model serves every
/// budget: a request chooses by <see cref="EmbeddingGenerationOptions.ModelId"/>, such as <c>deit_tiny@0.6</c>, or by the additional
/// property <see cref="BudgetProperty"/>.
/// </summary>
/// <remarks>
/// Thread-safe. Work runs on the thread pool. A request is cancelled between two batches and while it waits for its turn. All images of a
/// request must be readable; none is embedded when one of a batch is not. The embedder stays the caller's.
/// </remarks>
public sealed class SnapViTEmbeddingGenerator : IEmbeddingGenerator<DataContent, Embedding<float>>
{
    /// <summary>
    /// The key of <see cref="EmbeddingGenerationOptions.AdditionalProperties"/> whose value chooses the budget: a text as
    /// <see cref="Budget.Parse"/> reads it, a share of the FLOPs as a number, or a <see cref="Budget"/>.
    /// </summary>
    public const string BudgetProperty = "budget";

    private const char Separator = '@';

    private readonly IImageEmbedder _embedder;
    private readonly SnapViTEmbeddingOptions _options;
    private readonly SemaphoreSlim _turns;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>A generator over a model.</summary>
    /// <param name="embedder">The model: a <c>SubnetPool</c> of SnapViT, or a family of SnapViT.Runtime; stays the caller's.</param>
    /// <param name="options">What a request that does not say it gets; null for the defaults.</param>
    /// <exception cref="SnapViTException">An option is outside its range.</exception>
    public SnapViTEmbeddingGenerator(IImageEmbedder embedder, SnapViTEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(embedder);
        (_embedder, _options) = (embedder, (options ?? new SnapViTEmbeddingOptions()).Validated());
        _turns = new SemaphoreSlim(_options.MaxConcurrency);
        _metadata = new EmbeddingGeneratorMetadata("snapvit", null, embedder.ModelName, embedder.FeatureDim);
    }

    /// <summary>Embeds images, in their order.</summary>
    /// <param name="values">Encoded images; none gives no embeddings.</param>
    /// <param name="options">The budget of this request; null for that of the generator.</param>
    /// <param name="cancellationToken">Stops between two batches.</param>
    /// <returns>One vector of <c>FeatureDim</c> numbers an image, with the name of the model and the budget asked for.</returns>
    /// <exception cref="SnapViTException">
    /// An image cannot be read, another model or another number of dimensions is asked for, or the budget is impossible; one line says
    /// which.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        (string model, Budget budget) = Asked(options);
        ImageEntry[] images = [.. values.Select(Image)];
        GeneratedEmbeddings<Embedding<float>> embeddings = new(images.Length);
        foreach (ImageEntry[] batch in images.Chunk(_options.BatchSize))
        {
            await _turns.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                IReadOnlyList<ReadOnlyMemory<float>> vectors = await Task
                    .Run(() => _embedder.Embed(batch, budget, cancellationToken), cancellationToken).ConfigureAwait(false);
                embeddings.AddRange(vectors.Select(vector => new Embedding<float>(Scaled(vector)) { ModelId = model }));
            }
            finally
            {
                _turns.Release();
            }
        }

        return embeddings;
    }

    /// <inheritdoc/>
    /// <remarks>Gives <see cref="EmbeddingGeneratorMetadata"/>, the <see cref="IImageEmbedder"/>, and this object.</remarks>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_embedder) ? _embedder
            : null;
    }

    /// <inheritdoc/>
    public void Dispose() => _turns.Dispose();

    /// <summary>The model's name with the budget, and the budget: of the property, else of the name, else of the generator.</summary>
    private (string Model, Budget Budget) Asked(EmbeddingGenerationOptions? options)
    {
        if (options?.Dimensions is int dimensions && dimensions != _embedder.FeatureDim)
        {
            throw new SnapViTException(
                ErrorKind.Option, $"dimensions: expected {_embedder.FeatureDim}, which this model gives, or none, found {dimensions}");
        }

        object? property = options?.AdditionalProperties?.GetValueOrDefault(BudgetProperty);
        string text = OfName(options?.ModelId) ?? _options.Budget;
        string? said = property switch
        {
            null => text,
            string or double or float or decimal or int or JsonElement => Convert.ToString(property, CultureInfo.InvariantCulture),
            Budget => null,
            _ => throw new SnapViTException(
                ErrorKind.Option,
                $"{BudgetProperty}: expected a text such as 0.6, a number or a budget, found a {property.GetType().Name}"),
        };
        return said is null
            ? (_embedder.ModelName, (Budget)property!)
            : ($"{_embedder.ModelName}{Separator}{said}", Budget.Parse(said));
    }

    /// <summary>The budget in a model's name such as <c>deit_tiny@0.6</c>; null where it names none.</summary>
    private string? OfName(string? model)
    {
        if (model is null || model == _embedder.ModelName)
        {
            return null;
        }

        int at = model.LastIndexOf(Separator);
        return at >= 0 && model[..at] == _embedder.ModelName
            ? model[(at + 1)..]
            : throw new SnapViTException(
                ErrorKind.Option,
                $"model: expected {_embedder.ModelName}, or {_embedder.ModelName}{Separator}0.6 for a budget, found '{model}'");
    }

    private static ImageEntry Image(DataContent content, int index)
    {
        if (content is null)
        {
            throw new ArgumentException($"values: expected images, found null at {index}", nameof(content));
        }

        string name = content.Name ?? $"image {index}";
        return content.HasTopLevelMediaType("image")
            ? ImageEntry.FromBytes(name, content.Data)
            : throw new ImageException(name, $"expected an image, found {content.MediaType}");
    }

    private ReadOnlyMemory<float> Scaled(ReadOnlyMemory<float> vector)
    {
        if (!_options.Normalize)
        {
            return vector;
        }

        double length = 0;
        foreach (float value in vector.Span)
        {
            length += (double)value * value;
        }

        float factor = length > 0 ? (float)(1 / Math.Sqrt(length)) : 1;
        float[] scaled = vector.ToArray();
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] *= factor;
        }

        return scaled;
    }
}
