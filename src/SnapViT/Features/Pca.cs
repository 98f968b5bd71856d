using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Features;

/// <summary>
/// Principal components of features, fitted in batches of 5 D rows as the reference does with scikit-learn's incremental PCA (Ross et al.,
/// "Incremental Learning for Robust Visual Tracking", 2008). With at most 5 D rows it is the exact PCA.
/// </summary>
internal sealed class Pca : IDisposable
{
    private readonly Tensor _projection;
    private readonly Tensor _shift;

    private Pca(Tensor projection, Tensor shift)
    {
        _projection = projection;
        _shift = shift;
    }

    /// <summary>The components as columns, float32 [D, K]. The entry of largest absolute value in each column is positive.</summary>
    public Tensor Projection => _projection;

    /// <summary>Fits the components.</summary>
    /// <param name="features">Rows to fit, [n, D]; n at least <paramref name="components"/>.</param>
    /// <param name="components">Components to keep, K, 1..D.</param>
    /// <exception cref="ArgumentException">The features are no matrix, or there are fewer rows or columns than components.</exception>
    public static Pca Fit(Tensor features, int components)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (features.shape.Length != 2)
        {
            throw new ArgumentException($"PCA: expected features [n, D], found [{string.Join(", ", features.shape)}]", nameof(features));
        }

        long rows = features.shape[0], width = features.shape[1];
        if (components < 1 || components > width || components > rows)
        {
            throw new ArgumentException(
                $"PCA: expected 1 to {Math.Min(rows, width)} components for features [{rows}, {width}], found {components}",
                nameof(components));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor data = features.to(ScalarType.Float64);
        Tensor mean = zeros(width, ScalarType.Float64, features.device);
        Tensor directions = zeros([0, width], ScalarType.Float64, features.device), scaled = directions;
        long seen = 0;
        foreach ((long start, long length) in Batches(rows, 5 * width, components))
        {
            (mean, directions, scaled) = Merge(mean, scaled, seen, data.narrow(0, start, length), components);
            seen += length;
        }

        Tensor projection = WithPositivePeaks(directions).t().to(ScalarType.Float32).contiguous();
        Tensor shift = mean.to(ScalarType.Float32).unsqueeze(0).mm(projection);
        return new Pca(projection.DetachFromDisposeScope(), shift.DetachFromDisposeScope());
    }

    /// <summary>Projects features [n, D] to [n, K].</summary>
    public Tensor Transform(Tensor features)
    {
        ArgumentNullException.ThrowIfNull(features);
        using Tensor projected = features.mm(_projection);
        return projected.Minus(_shift);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _projection.Dispose();
        _shift.Dispose();
    }

    /// <summary>Batches of the given size; a last one with fewer rows than components joins the one before.</summary>
    private static IEnumerable<(long Start, long Length)> Batches(long rows, long size, int components)
    {
        long start = 0;
        while (start < rows)
        {
            long end = Math.Min(start + size, rows);
            if (rows - end < components)
            {
                end = rows;
            }

            yield return (start, end - start);
            start = end;
        }
    }

    /// <summary>
    /// One step: mean [D], components [K, D] and components times singular values [K, D] of all rows seen, from those before and a batch.
    /// </summary>
    private static (Tensor Mean, Tensor Directions, Tensor Scaled) Merge(
        Tensor mean, Tensor scaled, long seen, Tensor batch, int components)
    {
        long added = batch.shape[0];
        Tensor batchMean = batch.mean([0]);
        Tensor total = mean.Times(seen).Plus(batchMean.Times(added)).Div(seen + added);
        Tensor correction = mean.Minus(batchMean).unsqueeze(0).Times(Math.Sqrt((double)seen * added / (seen + added)));
        Tensor centred = batch.Minus(batchMean);
        Tensor stacked = seen == 0 ? centred : cat([scaled, centred, correction], 0);
        (_, Tensor values, Tensor directions) = linalg.svd(stacked, fullMatrices: false);
        Tensor kept = directions.narrow(0, 0, components);
        return (total, kept, kept * values.narrow(0, 0, components).unsqueeze(1));
    }

    private static Tensor WithPositivePeaks(Tensor components)
    {
        Tensor peaks = components.gather(1, components.abs().argmax(1, keepdim: true));
        return components * peaks.sign();
    }
}
