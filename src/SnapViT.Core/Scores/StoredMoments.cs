using System.Globalization;
using System.Runtime.InteropServices;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Scores;

/// <summary>Second moments of the inputs of one linear layer as they are stored.</summary>
/// <param name="Mean">Mean of the inputs, [n].</param>
/// <param name="Weight">Sum of the weights of all tokens, above 0.</param>
/// <param name="Covariance">
/// Copies the lower triangle of their covariance, row by row, [n (n + 1) / 2]: it may be too large to be held twice.
/// </param>
internal sealed record StoredLayerMoments(double[] Mean, double Weight, FloatReader Covariance)
{
    /// <summary>Elements of the lower triangle of the covariance of n inputs.</summary>
    public static long Triangle(long n) => n * (n + 1) / 2;
}

/// <summary>Copies values, as many as the destination holds.</summary>
internal delegate void FloatReader(Span<float> destination);

/// <summary>
/// Second moments of the inputs of <c>proj</c> and <c>fc2</c> of every block, in the model's order: what any budget's weight correction is
/// computed from without images. Those of a file are read layer by layer, when a layer is asked for, and never held all at once.
/// </summary>
internal sealed class StoredMoments
{
    private const string ImagesKey = "moments.images";
    /// <summary>A square of doubles of that side is the largest that one block of memory holds.</summary>
    private const int MaxWidth = 16_383;

    private const string ProjLayer = "proj", Fc2Layer = "fc2";

    private readonly Func<string, int, StoredLayerMoments> _layer;

    private StoredMoments(long images, int depth, int projWidth, int fc2Width, Func<string, int, StoredLayerMoments> layer) =>
        (Images, Depth, ProjWidth, Fc2Width, _layer) = (images, depth, projWidth, fc2Width, layer);

    /// <summary>Moments in memory.</summary>
    /// <param name="images">Calibration images, at least 1; every view of an image counts.</param>
    /// <param name="proj">Inputs of <c>proj</c>, A*d each, a block after the other; at least one block.</param>
    /// <param name="fc2">Inputs of <c>fc2</c> or SwiGLU's <c>w3</c>, H each; as many.</param>
    internal StoredMoments(long images, IReadOnlyList<StoredLayerMoments> proj, IReadOnlyList<StoredLayerMoments> fc2)
        : this(images, proj.Count, proj[0].Mean.Length, fc2[0].Mean.Length, (name, block) => name == ProjLayer ? proj[block] : fc2[block])
    {
    }

    /// <summary>Calibration images; every view of an image counts.</summary>
    public long Images { get; }

    /// <summary>Blocks, L.</summary>
    public int Depth { get; }

    /// <summary>Inputs of <c>proj</c>, A*d.</summary>
    public int ProjWidth { get; }

    /// <summary>Inputs of <c>fc2</c> or SwiGLU's <c>w3</c>, H.</summary>
    public int Fc2Width { get; }

    /// <summary>Bytes they take in a file.</summary>
    public long Bytes => Depth * (LayerBytes(ProjWidth) + LayerBytes(Fc2Width));

    /// <summary>Moments of the inputs of one block's <c>proj</c>.</summary>
    /// <exception cref="CheckpointFormatException">The file was replaced since it was opened, or the moments are not finite.</exception>
    internal StoredLayerMoments Proj(int block) => _layer(ProjLayer, block);

    /// <summary>Moments of the inputs of one block's <c>fc2</c>.</summary>
    /// <inheritdoc cref="Proj"/>
    internal StoredLayerMoments Fc2(int block) => _layer(Fc2Layer, block);

    internal void AddTo(List<TensorToWrite> tensors, Dictionary<string, string> metadata)
    {
        metadata[ImagesKey] = Images.ToString(CultureInfo.InvariantCulture);
        foreach ((string name, int width) in new[] { (ProjLayer, ProjWidth), (Fc2Layer, Fc2Width) })
        {
            for (int block = 0; block < Depth; block++)
            {
                int of = block;
                tensors.Add(Tensor(
                    Key(name, block, "mean"),
                    TensorType.Float64,
                    width,
                    () => TensorToWrite.From("", _layer(name, of).Mean, width)));
                long triangle = StoredLayerMoments.Triangle(width);
                tensors.Add(Tensor(Key(name, block, "covariance"), TensorType.Float32, triangle, () => Covariance(name, of, triangle)));
                tensors.Add(Tensor(
                    Key(name, block, "weight"),
                    TensorType.Float64,
                    1,
                    () => TensorToWrite.From("", new[] { _layer(name, of).Weight }, 1)));
            }
        }
    }

    internal static bool IsKey(string metadataKey) => metadataKey == ImagesKey;

    /// <summary>
    /// The moments of an open scores file, or null where it has none; their names and shapes are checked, their values when they are read.
    /// </summary>
    internal static StoredMoments? Find(ITensorArchive archive, int depth)
    {
        if (!archive.Metadata.TryGetValue(ImagesKey, out string? images))
        {
            return null;
        }

        if (!long.TryParse(images, NumberStyles.None, CultureInfo.InvariantCulture, out long count) || count <= 0)
        {
            throw new CheckpointFormatException(archive.Path, $"metadata '{ImagesKey}': expected a positive number, found '{images}'");
        }

        (string path, IReadOnlyDictionary<string, string> metadata) = (archive.Path, archive.Metadata);
        return new StoredMoments(count, depth, Width(archive, ProjLayer, depth), Width(archive, Fc2Layer, depth), Read);

        StoredLayerMoments Read(string name, int block)
        {
            string covariance = Key(name, block, "covariance");
            using SafetensorsReader reader = Reopen();
            StoredLayerMoments layer = new(
                reader.ReadDoubles(Key(name, block, "mean")),
                reader.ReadDoubles(Key(name, block, "weight"))[0],
                values => ReadCovariance(covariance, values));
            return layer.Mean.All(double.IsFinite) && double.IsFinite(layer.Weight) && layer.Weight > 0
                ? layer
                : throw NotFinite(path, covariance);
        }

        void ReadCovariance(string key, Span<float> values)
        {
            using SafetensorsReader reader = Reopen();
            if (reader.Tensors[key].Type == TensorType.Float32 && BitConverter.IsLittleEndian)
            {
                reader.Read(key, MemoryMarshal.AsBytes(values));
            }
            else
            {
                reader.ReadFloats(key).CopyTo(values);
            }

            foreach (float value in values)
            {
                if (!float.IsFinite(value))
                {
                    throw NotFinite(path, key);
                }
            }
        }

        SafetensorsReader Reopen()
        {
            SafetensorsReader reader = SafetensorsReader.Open(path);
            if (reader.Metadata.Count == metadata.Count && reader.Metadata.All(pair => metadata.GetValueOrDefault(pair.Key) == pair.Value))
            {
                return reader;
            }

            reader.Dispose();
            throw new CheckpointFormatException(path, "expected the scores file that was opened, found another that has replaced it");
        }
    }

    private static CheckpointFormatException NotFinite(string path, string key) =>
        new(path, "expected finite moments and a positive weight", key);

    /// <summary>Inputs of a layer, the same in every block.</summary>
    private static int Width(ITensorArchive archive, string name, int depth)
    {
        long? width = null;
        for (int block = 0; block < depth; block++)
        {
            long n = Length(archive, Key(name, block, "mean"), width);
            width = n <= MaxWidth
                ? n
                : throw new CheckpointFormatException(
                    archive.Path, $"expected at most {MaxWidth} inputs of a layer, found {n}", Key(name, block, "mean"));
            Length(archive, Key(name, block, "covariance"), StoredLayerMoments.Triangle(n));
            Length(archive, Key(name, block, "weight"), 1);
        }

        return (int)width!.Value;
    }

    private static long Length(ITensorArchive archive, string key, long? expected) =>
        archive.Tensors.TryGetValue(key, out TensorEntry? entry)
            && entry.Shape.Count == 1
            && entry.ElementCount > 0
            && (expected ?? entry.ElementCount) == entry.ElementCount
            ? entry.ElementCount
            : throw new CheckpointFormatException(
                archive.Path,
                $"expected shape [{(expected is long length ? length.ToString(CultureInfo.InvariantCulture) : "n")}], "
                    + $"found {entry?.ToString() ?? "no such tensor"}",
                key);

    private TensorToWrite Covariance(string name, int block, long triangle)
    {
        float[] values = new float[triangle];
        _layer(name, block).Covariance(values);
        return TensorToWrite.From("", values, triangle);
    }

    private static TensorToWrite Tensor(string name, TensorType type, long length, Func<TensorToWrite> values) =>
        new(name, type, [length], stream => values().Write(stream));

    private static long LayerBytes(long n) => (StoredLayerMoments.Triangle(n) * sizeof(float)) + (n * sizeof(double)) + sizeof(double);

    private static string Key(string layer, int block, string what) =>
        string.Create(CultureInfo.InvariantCulture, $"moments.{block}.{layer}.{what}");
}
