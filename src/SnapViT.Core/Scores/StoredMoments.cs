using System.Globalization;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Scores;

/// <summary>Second moments of the inputs of one linear layer as they are stored.</summary>
/// <param name="Mean">Mean of the inputs, [n].</param>
/// <param name="Covariance">Lower triangle of their covariance, row by row, [n (n + 1) / 2].</param>
/// <param name="Weight">Sum of the weights of all tokens.</param>
public sealed record StoredLayerMoments(double[] Mean, float[] Covariance, double Weight);

/// <summary>
/// Second moments of the inputs of <c>proj</c> and <c>fc2</c> of every block, in the model's order: what any budget's weight correction is
/// computed from without images.
/// </summary>
/// <param name="Images">Calibration images; every view of an image counts.</param>
/// <param name="Proj">Inputs of <c>proj</c>, A*d each, a block after the other.</param>
/// <param name="Fc2">Inputs of <c>fc2</c> or SwiGLU's <c>w3</c>, H each.</param>
public sealed record StoredMoments(long Images, IReadOnlyList<StoredLayerMoments> Proj, IReadOnlyList<StoredLayerMoments> Fc2)
{
    private const string ImagesKey = "moments.images";

    /// <summary>Bytes they take in a file.</summary>
    public long Bytes => Proj.Concat(Fc2).Sum(layer => (layer.Covariance.LongLength * sizeof(float)) + (layer.Mean.LongLength * sizeof(double)));

    /// <summary>Bytes the moments of a model take in a file.</summary>
    /// <param name="depth">Blocks, L.</param>
    /// <param name="attention">Inputs of proj, A*d.</param>
    /// <param name="hidden">Inputs of fc2, H.</param>
    public static long BytesFor(int depth, long attention, long hidden) => depth * (Layer(attention) + Layer(hidden));

    internal void AddTo(List<TensorToWrite> tensors, Dictionary<string, string> metadata)
    {
        metadata[ImagesKey] = Images.ToString(CultureInfo.InvariantCulture);
        foreach ((string name, IReadOnlyList<StoredLayerMoments> layers) in new[] { ("proj", Proj), ("fc2", Fc2) })
        {
            for (int block = 0; block < layers.Count; block++)
            {
                StoredLayerMoments layer = layers[block];
                tensors.Add(TensorToWrite.From(Key(name, block, "mean"), layer.Mean, layer.Mean.Length));
                tensors.Add(TensorToWrite.From(Key(name, block, "covariance"), layer.Covariance, layer.Covariance.Length));
                tensors.Add(TensorToWrite.From(Key(name, block, "weight"), new[] { layer.Weight }, 1));
            }
        }
    }

    internal static bool IsKey(string metadataKey) => metadataKey == ImagesKey;

    /// <summary>Reads them, or null where a file has none.</summary>
    internal static StoredMoments? Find(ITensorArchive archive, int depth)
    {
        if (!archive.Metadata.TryGetValue(ImagesKey, out string? images))
        {
            return null;
        }

        return long.TryParse(images, NumberStyles.None, CultureInfo.InvariantCulture, out long count) && count > 0
            ? new StoredMoments(count, Layers(archive, "proj", depth), Layers(archive, "fc2", depth))
            : throw new CheckpointFormatException(archive.Path, $"metadata '{ImagesKey}': expected a positive number, found '{images}'");
    }

    private static StoredLayerMoments[] Layers(ITensorArchive archive, string name, int depth) =>
        [.. Enumerable.Range(0, depth).Select(block => ReadLayer(archive, name, block))];

    private static StoredLayerMoments ReadLayer(ITensorArchive archive, string name, int block)
    {
        string meanKey = Key(name, block, "mean"), covarianceKey = Key(name, block, "covariance"), weightKey = Key(name, block, "weight");
        long n = Length(archive, meanKey, null);
        Length(archive, covarianceKey, n * (n + 1) / 2);
        Length(archive, weightKey, 1);
        StoredLayerMoments layer = new(archive.ReadDoubles(meanKey), archive.ReadFloats(covarianceKey), archive.ReadDoubles(weightKey)[0]);
        return layer.Mean.All(double.IsFinite) && layer.Covariance.All(float.IsFinite) && double.IsFinite(layer.Weight) && layer.Weight > 0
            ? layer
            : throw new CheckpointFormatException(archive.Path, "expected finite moments and a positive weight", covarianceKey);
    }

    private static long Length(ITensorArchive archive, string key, long? expected) =>
        archive.Tensors.TryGetValue(key, out TensorEntry? entry) && entry.Shape.Count == 1 && entry.ElementCount > 0 && (expected ?? entry.ElementCount) == entry.ElementCount
            ? entry.ElementCount
            : throw new CheckpointFormatException(archive.Path, $"expected shape [{(expected is long length ? length.ToString(CultureInfo.InvariantCulture) : "n")}], found {entry?.ToString() ?? "no such tensor"}", key);

    private static long Layer(long n) => (n * (n + 1) / 2 * sizeof(float)) + (n * sizeof(double)) + sizeof(double);

    private static string Key(string layer, int block, string what) => string.Create(CultureInfo.InvariantCulture, $"moments.{block}.{layer}.{what}");
}
