using SnapViT.Core.Errors;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Evaluation;

/// <summary>
/// The paper's quality measure of a backbone without labels in training: exact k-nearest-neighbour classification of L2-normalised features
/// by Euclidean distance, every neighbour with one vote, ties to the smallest label.
/// </summary>
internal sealed class NearestNeighbours : IDisposable
{
    /// <summary>Neighbours of the paper and the reference, k.</summary>
    public const int PaperNeighbours = 20;

    /// <summary>Temperature of weighted votes, DINO's (Caron et al., 2021).</summary>
    public const double PaperTemperature = 0.07;

    private const long BatchElements = 1L << 24;

    private readonly Tensor _train;
    private readonly Tensor _labels;
    private readonly int _neighbours;
    private readonly long _classes;

    /// <summary>Normalises the training features and keeps them, with their labels, on their device.</summary>
    /// <param name="features">Training features, [n, D].</param>
    /// <param name="labels">Their labels, n values of 0 or more.</param>
    /// <param name="neighbours">k, 1..n.</param>
    /// <exception cref="ArgumentException">
    /// The features are no matrix, features and labels differ in number, a label is negative, or there are fewer rows than neighbours.
    /// </exception>
    /// <exception cref="SnapViTException">A feature is not finite.</exception>
    public NearestNeighbours(Tensor features, IReadOnlyList<int> labels, int neighbours = PaperNeighbours)
    {
        ArgumentNullException.ThrowIfNull(features);
        ArgumentNullException.ThrowIfNull(labels);
        if (features.shape.Length != 2)
        {
            throw new ArgumentException(
                $"k-NN: expected training features [n, D], found [{string.Join(", ", features.shape)}]", nameof(features));
        }

        if (labels.Count != features.shape[0] || labels.Any(label => label < 0))
        {
            throw new ArgumentException($"k-NN: expected {features.shape[0]} labels of 0 or more, found {labels.Count}", nameof(labels));
        }

        if (neighbours < 1 || neighbours > labels.Count)
        {
            throw new ArgumentException(
                $"k-NN: expected 1 to {labels.Count} neighbours (training images), found {neighbours}", nameof(neighbours));
        }

        using DisposeScope scope = NewDisposeScope();
        _neighbours = neighbours;
        _train = OnUnitSphere(features, "training").DetachFromDisposeScope();
        _labels = tensor(labels.Select(label => (long)label).ToArray(), device: features.device).DetachFromDisposeScope();
        _classes = labels.Max() + 1L;
    }

    /// <summary>Indices of the nearest training rows of every query, nearest first.</summary>
    /// <param name="queries">Features to classify, [m, D], m at least 1.</param>
    /// <returns>int64 [m, k].</returns>
    /// <exception cref="ArgumentException">The queries have another shape.</exception>
    /// <exception cref="SnapViTException">They are not finite.</exception>
    public Tensor Nearest(Tensor queries)
    {
        using DisposeScope scope = NewDisposeScope();
        return Found(queries).Rows.MoveToOuterDisposeScope();
    }

    /// <summary>Indices of the nearest training rows of every query, nearest first, and the cosine of each, [m, k].</summary>
    private (Tensor Rows, Tensor Cosines) Found(Tensor queries)
    {
        ArgumentNullException.ThrowIfNull(queries);
        if (queries.shape.Length != 2 || queries.shape[0] == 0 || queries.shape[1] != _train.shape[1])
        {
            throw new ArgumentException(
                $"k-NN: expected at least one query [m, {_train.shape[1]}], found [{string.Join(", ", queries.shape)}]", nameof(queries));
        }

        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor normalised = OnUnitSphere(queries, "query");
        long rows = Math.Max(1, BatchElements / _train.shape[0]);
        List<Tensor> found = [], cosines = [];
        for (long start = 0; start < normalised.shape[0]; start += rows)
        {
            using DisposeScope batch = NewDisposeScope();

            // On the unit sphere |a - b|^2 = 2 - 2 a.b: the nearest are those of largest inner product.
            Tensor similarity = normalised.narrow(0, start, Math.Min(rows, normalised.shape[0] - start)).mm(_train.t());
            (Tensor values, Tensor indexes) = similarity.topk(_neighbours, 1);
            found.Add(indexes.MoveToOuterDisposeScope());
            cosines.Add(values.MoveToOuterDisposeScope());
        }

        return (cat(found, 0).MoveToOuterDisposeScope(), cat(cosines, 0).MoveToOuterDisposeScope());
    }

    /// <summary>The predicted label of every query.</summary>
    /// <param name="queries">Features to classify, [m, D].</param>
    /// <returns>m labels.</returns>
    public int[] Predict(Tensor queries)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        return Voted(Found(queries).Rows);
    }

    /// <summary>
    /// The predicted label of every query where a neighbour's vote weighs <c>exp(cosine / temperature)</c> (Wu et al., 2018; DINO).
    /// </summary>
    /// <param name="queries">Features to classify, [m, D].</param>
    /// <param name="temperature">Above 0; the smaller, the more the nearest counts.</param>
    /// <returns>m labels.</returns>
    public int[] PredictWeighted(Tensor queries, double temperature = PaperTemperature)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        (Tensor rows, Tensor cosines) = Found(queries);
        return Weighted(rows, cosines, temperature);
    }

    /// <summary>Both predictions of every query, for one look at the training rows.</summary>
    /// <param name="queries">Features to classify, [m, D].</param>
    internal (int[] Voted, int[] Weighted) PredictBoth(Tensor queries)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        (Tensor rows, Tensor cosines) = Found(queries);
        return (Voted(rows), Weighted(rows, cosines, PaperTemperature));
    }

    private int[] Voted(Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor votes = Votes(rows, ones_like(rows, ScalarType.Float64));

        // A tie goes to the smallest label: every label loses less than a vote, the larger the more.
        double[] shares = [.. Enumerable.Range(0, (int)_classes).Select(label => label / (_classes + 1.0))];
        using Tensor handicap = tensor(shares, device: votes.device);
        return Largest(votes.Minus(handicap));
    }

    private int[] Weighted(Tensor rows, Tensor cosines, double temperature)
    {
        using DisposeScope scope = NewDisposeScope();

        // Less the largest: a factor that all votes of a query share changes nothing, and could overflow.
        Tensor exact = cosines.to(ScalarType.Float64);
        return Largest(Votes(rows, exact.Minus(exact.amax([1], true)).Div(temperature).exp()));
    }

    /// <summary>Sums of weights [m, k] by the labels of their training rows, float64 [m, classes].</summary>
    private Tensor Votes(Tensor rows, Tensor weights)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor labels = _labels.index_select(0, rows.flatten()).view(rows.shape);
        return zeros([rows.shape[0], _classes], ScalarType.Float64, rows.device).scatter_add(1, labels, weights).MoveToOuterDisposeScope();
    }

    private static int[] Largest(Tensor votes)
    {
        using Tensor largest = votes.argmax(1), here = largest.cpu();
        return [.. here.data<long>().Select(label => (int)label)];
    }

    /// <summary>Share of queries whose predicted label is the given one, 0..1.</summary>
    /// <param name="queries">Features to classify, [m, D].</param>
    /// <param name="labels">Their labels.</param>
    public double Accuracy(Tensor queries, IReadOnlyList<int> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        int[] predicted = Predict(queries);
        return predicted.Length == labels.Count
            ? predicted.Where((label, index) => label == labels[index]).Count() / (double)labels.Count
            : throw new ArgumentException($"k-NN: expected {predicted.Length} labels, found {labels.Count}", nameof(labels));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _train.Dispose();
        _labels.Dispose();
    }

    /// <summary>Rows of length 1; NaN is refused here, for it would count as the largest similarity of all.</summary>
    private static Tensor OnUnitSphere(Tensor features, string which)
    {
        using DisposeScope scope = NewDisposeScope();
        return features.isfinite().all().item<bool>()
            ? F.normalize(features.to(ScalarType.Float32), dim: 1).MoveToOuterDisposeScope()
            : throw new SnapViTException(
                ErrorKind.Numbers,
                $"k-NN: expected finite {which} features, found NaN or infinite ones; the model or the images hold NaN");
    }
}
