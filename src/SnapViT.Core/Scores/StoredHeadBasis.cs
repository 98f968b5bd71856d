using System.Globalization;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Scores;

/// <summary>
/// For every head the bases in which its dimensions are sorted: of its queries, and of its values. Keys and output projection follow from
/// them, so that the model stays what it is. Rows are basis vectors, the most important first.
/// </summary>
/// <param name="Queries">Per block [A, d, d]; empty with rotary positions, which turn pairs of dimensions.</param>
/// <param name="Values">Per block [A, d, d].</param>
internal sealed record StoredHeadBasis(IReadOnlyList<float[]> Queries, IReadOnlyList<float[]> Values)
{
    /// <summary>
    /// Per block with rotary positions the pairs 0..d/2-1 of queries and keys, the most important first, the same of every head; else
    /// empty.
    /// </summary>
    public IReadOnlyList<long[]> Pairs { get; init; } = [];

    private const string Prefix = "head_basis";

    internal static bool IsKey(string name) => name.StartsWith(Prefix + ".", StringComparison.Ordinal);

    internal void AddTo(List<TensorToWrite> tensors, int heads, int dims)
    {
        foreach ((string name, IReadOnlyList<float[]> blocks) in new[] { ("queries", Queries), ("values", Values) })
        {
            tensors.AddRange(blocks.Select((basis, block) => TensorToWrite.From(Key(block, name), basis, heads, dims, dims)));
        }

        tensors.AddRange(Pairs.Select((pairs, block) => TensorToWrite.From(Key(block, "pairs"), pairs, pairs.Length)));
    }

    /// <summary>The bases of an open scores file, or null where it has none.</summary>
    internal static StoredHeadBasis? Find(ITensorArchive archive, int depth, int heads)
    {
        return !archive.Tensors.ContainsKey(Key(0, "values")) ? null : new StoredHeadBasis(
            archive.Tensors.ContainsKey(Key(0, "queries")) ? Read("queries") : [], Read("values"))
        {
            Pairs = archive.Tensors.ContainsKey(Key(0, "pairs"))
                ? [.. Enumerable.Range(0, depth).Select(block => Order(Key(block, "pairs")))]
                : [],
        };

        long[] Order(string key)
        {
            if (!archive.Tensors.TryGetValue(key, out TensorEntry? entry) || entry.Shape is not [> 0 and <= 4096 and var count])
            {
                throw new CheckpointFormatException(
                    archive.Path, $"expected an order of pairs, found {entry?.ToString() ?? "no such tensor"}", key);
            }

            long[] pairs = archive.ReadLongs(key);
            return pairs.Order().SequenceEqual(Enumerable.Range(0, (int)count).Select(pair => (long)pair))
                ? pairs
                : throw new CheckpointFormatException(
                    archive.Path, $"expected every pair of 0 to {count - 1} once, found [{string.Join(", ", pairs)}]", key);
        }

        float[][] Read(string name) => [.. Enumerable.Range(0, depth).Select(block => Matrix(Key(block, name)))];

        float[] Matrix(string key)
        {
            if (!archive.Tensors.TryGetValue(key, out TensorEntry? entry)
                || entry.Shape is not [var count, > 0 and <= 4096 and var rows, var columns] || count != heads || rows != columns)
            {
                throw new CheckpointFormatException(
                    archive.Path, $"expected shape [{heads}, d, d], found {entry?.ToString() ?? "no such tensor"}", key);
            }

            float[] values = archive.ReadFloats(key);
            return values.All(float.IsFinite) ? values : throw new CheckpointFormatException(archive.Path, "expected finite values", key);
        }
    }

    private static string Key(int block, string name) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}.{block}.{name}");
}
