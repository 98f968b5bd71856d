using SnapViT.Core.Errors;

namespace SnapViT.Extensions.AI;

/// <summary>How images are embedded where a request does not say it.</summary>
public sealed record SnapViTEmbeddingOptions
{
    /// <summary>
    /// The budget, as <see cref="Core.Planning.Budget.Parse"/> reads it, such as <c>0.6</c> or <c>params=10M</c>; <c>1</c>, the default, is
    /// the whole model. A request chooses another one by its model's name or by <see cref="SnapViTEmbeddingGenerator.BudgetProperty"/>.
    /// </summary>
    public string Budget { get; init; } = "1";

    /// <summary>Images of one forward pass at most, at least 1; default 32. A request of more is cut into such batches.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>
    /// Forward passes that run at the same time, at least 1, the default: one uses all cores. Requests beyond wait, and may be cancelled
    /// while they do.
    /// </summary>
    public int MaxConcurrency { get; init; } = 1;

    /// <summary>Whether embeddings are scaled to length 1, for stores that compare by the dot product; default false.</summary>
    public bool Normalize { get; init; }

    /// <summary>Checks the numbers and the budget.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">One is outside its range.</exception>
    internal SnapViTEmbeddingOptions Validated()
    {
        Core.Planning.Budget.Parse(Budget);
        return (BatchSize, MaxConcurrency) is ( >= 1, >= 1)
            ? this
            : throw new SnapViTException(
                ErrorKind.Option,
                $"embeddings: expected {nameof(BatchSize)} and {nameof(MaxConcurrency)} of 1 or more, "
                    + $"found {BatchSize} and {MaxConcurrency}");
    }
}
