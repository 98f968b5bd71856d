using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// What every model of an evaluation made of every test image, beside the figures of its row: which were classified rightly, as what, how
/// far features moved from those of the first model, and how fast batches were.
/// </summary>
/// <param name="models">How many models are measured.</param>
internal sealed class ImageOutcomes(int models) : IDisposable
{
    /// <summary>Batches whose speeds say something of a spread, after the first, which warms up.</summary>
    private const int FewestBatches = 4;

    private readonly List<double>[] _speeds = Lists<double>(models);
    private readonly List<int>[] _predicted = Lists<int>(models);
    private readonly List<float>[] _distances = Lists<float>(models);
    private readonly List<bool>[] _hits = Lists<bool>(models);
    private readonly List<string> _names = [];
    private Tensor? _first;

    /// <summary>Names of the images in the order in which they were measured.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Whether a model classified each image rightly; empty where it has no classifier of these classes.</summary>
    public IReadOnlyList<bool> Hits(int model) => _hits[model];

    /// <summary>The class that a model gave each image; empty where it has no classifier.</summary>
    public IReadOnlyList<int> Predicted(int model) => _predicted[model];

    /// <summary>1 - cosine between a model's features of each image and those of the first model, 0..2.</summary>
    public IReadOnlyList<float> Distances(int model) => _distances[model];

    /// <summary>
    /// Median and quartiles of a model's images a second over the batches after the first; null with fewer than four of these.
    /// </summary>
    public (double Median, double Low, double High)? Speed(int model)
    {
        double[] sorted = [.. _speeds[model].Skip(1).Order()];
        return sorted.Length < FewestBatches ? null : (Quantile(0.5), Quantile(0.25), Quantile(0.75));

        double Quantile(double share)
        {
            double place = share * (sorted.Length - 1);
            int below = (int)place;
            return sorted[below] + ((place - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]));
        }
    }

    /// <summary>The images whose features moved most, the farthest first.</summary>
    /// <param name="model">The model.</param>
    /// <param name="count">How many at most.</param>
    public IEnumerable<int> Farthest(int model, int count) =>
        Enumerable.Range(0, _names.Count).OrderByDescending(image => _distances[model][image]).ThenBy(image => image).Take(count);

    /// <summary>Takes what a model gave for a batch; models come in turn on every batch.</summary>
    /// <param name="model">Which model.</param>
    /// <param name="batch">The images.</param>
    /// <param name="features">Its features [B, D].</param>
    /// <param name="logits">Its logits [B, C]; null without a classifier.</param>
    /// <param name="classes">The right classes [B]; null where they are not its own.</param>
    /// <param name="seconds">Time of the forward pass.</param>
    public void Add(int model, ImageBatch batch, Tensor features, Tensor? logits, Tensor? classes, double seconds)
    {
        using IDisposable scope = NewDisposeScope();
        Tensor normalised = nn.functional.normalize(features.to(ScalarType.Float32));
        if (model == 0)
        {
            _names.AddRange(batch.Entries.Select(entry => entry.Name));
            _first?.Dispose();
            _first = normalised.clone().DetachFromDisposeScope();
            _distances[0].AddRange(Enumerable.Repeat(0f, batch.Entries.Count));
        }
        else
        {
            float[] cosines = (normalised * _first!).sum(1).cpu().data<float>().ToArray();
            _distances[model].AddRange(cosines.Select(cosine => Math.Clamp(1 - cosine, 0, 2)));
        }

        if (logits is not null)
        {
            Tensor predicted = logits.argmax(1);
            _predicted[model].AddRange(predicted.cpu().data<long>().Select(label => (int)label));
            if (classes is not null)
            {
                _hits[model].AddRange(predicted.eq(classes).cpu().data<bool>());
            }
        }

        _speeds[model].Add(batch.Entries.Count / seconds);
    }

    /// <inheritdoc/>
    public void Dispose() => _first?.Dispose();

    private static List<T>[] Lists<T>(int count) => [.. Enumerable.Range(0, count).Select(_ => new List<T>())];
}
