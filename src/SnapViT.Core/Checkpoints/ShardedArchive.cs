using System.Collections.ObjectModel;
using System.Text.Json;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// A checkpoint in several files with an index (<c>model.safetensors.index.json</c>): <c>{"weight_map": {tensor: file}}</c>.
/// </summary>
internal sealed class ShardedArchive : ITensorArchive
{
    private const int MaxIndex = 32 << 20;
    private const int MaxShards = 1024;

    private readonly Dictionary<string, ITensorArchive> _shards = [];
    private readonly Dictionary<string, string> _shardOf;

    private ShardedArchive(string path, Dictionary<string, string> shardOf)
    {
        (Path, _shardOf) = (path, shardOf);
        OrderedDictionary<string, TensorEntry> tensors = [];
        try
        {
            foreach (string shard in Names(shardOf))
            {
                _shards.Add(shard, OpenShard(path, shard));
            }

            foreach ((string name, string shard) in shardOf)
            {
                tensors.Add(name, _shards[shard].Tensors.GetValueOrDefault(name)
                    ?? throw new CheckpointFormatException(
                        path, $"expected it in {CheckpointFormatException.Quote(shard)}, found no such tensor", name));
            }

            RequireAllListed();
        }
        catch
        {
            Dispose();
            throw;
        }

        Tensors = new ReadOnlyDictionary<string, TensorEntry>(tensors);
    }

    public string Path { get; }

    /// <summary>Always empty: what an index says of a file in common is its size.</summary>
    public IReadOnlyDictionary<string, string> Metadata => ReadOnlyDictionary<string, string>.Empty;

    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    public static ShardedArchive Open(string path) => new(path, ReadIndex(path));

    /// <summary>The files of an index, in the order of their names.</summary>
    public static IReadOnlyList<string> Files(string path) => [.. Names(ReadIndex(path)).Select(shard => NextTo(path, shard))];

    public void Read(string name, Span<byte> destination)
    {
        this.Require(name, destination.Length);
        _shards[_shardOf[name]].Read(name, destination);
    }

    public void Dispose()
    {
        foreach (ITensorArchive shard in _shards.Values)
        {
            shard.Dispose();
        }
    }

    private static IEnumerable<string> Names(Dictionary<string, string> shardOf) => shardOf.Values.Distinct().Order(StringComparer.Ordinal);

    private static string NextTo(string path, string shard) => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path) ?? "", shard);

    private static ITensorArchive OpenShard(string path, string shard)
    {
        string file = NextTo(path, shard);
        return File.Exists(file)
            ? CheckpointArchive.OpenFile(file)
            : throw new CheckpointFormatException(
                path, $"expected the file {CheckpointFormatException.Quote(shard)} beside the index, found none");
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        byte[] json;
        using (CheckpointFile file = CheckpointFile.Open(path))
        {
            json = file.Length <= MaxIndex
                ? new byte[file.Length]
                : throw new CheckpointFormatException(path, $"expected an index of at most {MaxIndex} bytes, found {file.Length}");
            file.Read(0, json);
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            Dictionary<string, string> shardOf = [];
            foreach (JsonProperty entry in document.RootElement.GetProperty("weight_map").EnumerateObject())
            {
                string shard = entry.Value.GetString() ?? "";
                RequirePlainName(path, shard);
                if (!shardOf.TryAdd(entry.Name, shard))
                {
                    throw new CheckpointFormatException(path, "the index has it twice", entry.Name);
                }
            }

            return Names(shardOf).Count() <= MaxShards
                ? shardOf
                : throw new CheckpointFormatException(path, $"expected at most {MaxShards} files, found more");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new CheckpointFormatException(
                path,
                $"expected an index {{\"weight_map\": {{tensor: file}}}}, found {CheckpointFormatException.Quote(exception.Message)}",
                innerException: exception);
        }
    }

    /// <summary>An index may name files beside it and nothing else.</summary>
    private static void RequirePlainName(string path, string shard)
    {
        if (shard.Length == 0 || shard is "." or ".." || shard.IndexOfAny(['/', '\\', ':', '\0']) >= 0)
        {
            throw new CheckpointFormatException(
                path, $"expected the name of a file beside the index, found {CheckpointFormatException.Quote(shard)}");
        }
    }

    private void RequireAllListed()
    {
        foreach ((string shard, ITensorArchive archive) in _shards)
        {
            if (archive.Tensors.Keys.FirstOrDefault(name => _shardOf.GetValueOrDefault(name) != shard) is string unlisted)
            {
                throw new CheckpointFormatException(
                    Path, $"file {CheckpointFormatException.Quote(shard)} holds it, but the index does not say so", unlisted);
            }
        }
    }
}
