using System.Diagnostics;
using System.Text.Json;
using Cloud.Unum.USearch;
using Microsoft.Extensions.AI;
using SnapViT.Core.Errors;
using SnapViT.Data;

namespace SnapViT.Samples.PhotoSearch;

/// <summary>A photo that was found.</summary>
/// <param name="Number">Its number in the index.</param>
/// <param name="Photo">Its path.</param>
/// <param name="Similarity">Cosine of the two embeddings, 1 for the same photo.</param>
internal sealed record LookAlike(int Number, string Photo, double Similarity);

/// <summary>Embeddings of a folder of photos in a USearch index, with the list of their paths. Finding is thread-safe.</summary>
internal sealed class PhotoIndex : IDisposable
{
    private const string Vectors = "photos.usearch", List = "photos.json";

    private readonly USearchIndex _index;
    private readonly string[] _photos;

    private PhotoIndex(USearchIndex index, string[] photos) => (_index, _photos) = (index, photos);

    /// <summary>
    /// Embeds the photos of a folder, sub-folders included, and writes the index. Photos that cannot be read are left out.
    /// </summary>
    /// <returns>The photos in it, and the time it took.</returns>
    public static async Task<(int Count, TimeSpan Time)> WriteAsync(
        IEmbeddingGenerator<DataContent, Embedding<float>> generator, string photos, string folder, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        int dimensions = generator.GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelDimensions!.Value;
        using USearchIndex index = new(MetricKind.Cos, ScalarKind.Float32, (ulong)dimensions);
        List<string> indexed = [];
        foreach (string[] paths in ImageSet.FromFolder(photos).Entries.Select(entry => entry.Location).Chunk(64))
        {
            foreach ((string path, Embedding<float> embedding) in await EmbedAsync(generator, paths, cancellation).ConfigureAwait(false))
            {
                index.Add((ulong)indexed.Count, embedding.Vector.ToArray());
                indexed.Add(path);
            }
        }

        Directory.CreateDirectory(folder);
        index.Save(Path.Combine(folder, Vectors));
        await File.WriteAllTextAsync(Path.Combine(folder, List), JsonSerializer.Serialize(indexed), cancellation).ConfigureAwait(false);
        return (indexed.Count, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Opens an index; the vectors stay in the file, which is mapped.</summary>
    /// <exception cref="SnapViTException">There is none.</exception>
    public static PhotoIndex Open(string folder)
    {
        string vectors = Path.Combine(folder, Vectors), list = Path.Combine(folder, List);
        if (!File.Exists(vectors) || !File.Exists(list))
        {
            throw new SnapViTException(ErrorKind.File, $"{folder}: expected an index that 'index' wrote, found none");
        }

        string[] photos = JsonSerializer.Deserialize<string[]>(File.ReadAllText(list)) ?? [];
        return new PhotoIndex(new USearchIndex(vectors, view: true), photos);
    }

    /// <summary>An image file as Microsoft.Extensions.AI takes it.</summary>
    public static async Task<DataContent> ReadAsync(string path, CancellationToken cancellation) =>
        new(await File.ReadAllBytesAsync(path, cancellation).ConfigureAwait(false), "image/*") { Name = path };

    /// <summary>The path of a photo; null for a number that the index has not.</summary>
    public string? Photo(int number) => number >= 0 && number < _photos.Length ? _photos[number] : null;

    /// <summary>The photos that look most like one, the best first.</summary>
    public async Task<IReadOnlyList<LookAlike>> FindAsync(
        IEmbeddingGenerator<DataContent, Embedding<float>> generator, DataContent photo, int count, CancellationToken cancellation)
    {
        float[] vector = (await generator.GenerateVectorAsync(photo, cancellationToken: cancellation).ConfigureAwait(false)).ToArray();
        int found = _index.Search(vector, Math.Min(count, _photos.Length), out ulong[] keys, out float[] distances);
        return [.. keys.Take(found).Zip(distances, (key, distance) => new LookAlike((int)key, _photos[(int)key], 1 - distance))];
    }

    public void Dispose() => _index.Dispose();

    /// <summary>Embeddings of those photos that can be read: where a batch has a damaged one, its photos are embedded one by one.</summary>
    private static async Task<IReadOnlyList<(string Path, Embedding<float> Embedding)>> EmbedAsync(
        IEmbeddingGenerator<DataContent, Embedding<float>> generator, string[] paths, CancellationToken cancellation)
    {
        try
        {
            DataContent[] photos = await Task.WhenAll(paths.Select(path => ReadAsync(path, cancellation))).ConfigureAwait(false);
            return [.. paths.Zip(await generator.GenerateAsync(photos, cancellationToken: cancellation).ConfigureAwait(false))];
        }
        catch (ImageException) when (paths.Length == 1)
        {
            return [];
        }
        catch (ImageException)
        {
            List<(string Path, Embedding<float> Embedding)> readable = [];
            foreach (string path in paths)
            {
                readable.AddRange(await EmbedAsync(generator, [path], cancellation).ConfigureAwait(false));
            }

            return readable;
        }
    }
}
