using System.Collections.Concurrent;
using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using Parquet;
using Parquet.Schema;
using SkiaSharp;
using SnapViT.Cli.Roofline;
using SnapViT.Core.Randomness;
using SnapViT.Data;
using SnapViT.Data.Sources;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>How fast the same images are opened and decoded from every container, against a folder of them.</summary>
internal sealed class DataBenchmark : IBenchmark
{
    private const int Photos = 300;
    private const int Width = 500;
    private const int Height = 375;
    private const int PhotosOfShard = 100;
    private const int Small = 20_000;
    private const int SmallSide = 32;
    private const int Runs = 9;

    public string Name => "data";

    public IEnumerable<ResultRow> Run(Device device)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-data-");
        try
        {
            byte[][] photos = [.. Enumerable.Range(0, Photos).AsParallel().AsOrdered().Select(i => Cli.Roofline.Photos.Of(i, Width, Height))];
            foreach (ResultRow row in OfPhotos(folder.FullName, photos))
            {
                yield return row;
            }

            foreach (ResultRow row in OfSmall(folder.FullName))
            {
                yield return row;
            }

            yield return Inflation(photos);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<ResultRow> OfPhotos(string root, byte[][] photos)
    {
        (string Name, byte[] Content)[] files = [.. photos.Select((photo, i) => ($"class{i % 10}/{i:D5}.jpg", photo))];
        string folder = Path.Combine(root, "photos");
        foreach ((string name, byte[] content) in files)
        {
            string path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }

        byte[] tar = Tar(files);
        yield return Against(folder, Put(root, "photos.tar", tar), "JPEG in tar");
        yield return Against(folder, Put(root, "photos.tar.gz", Gzip(tar)), "JPEG in tar.gz");
        yield return Against(folder, Put(root, "photos.zip", Zip(files)), "JPEG in zip, deflated");
        Directory.CreateDirectory(Path.Combine(root, "shards"));
        foreach ((byte[] Photo, int Index)[] shard in photos.Select((photo, i) => (photo, i)).Chunk(PhotosOfShard))
        {
            byte[] bytes = Tar([.. shard.SelectMany(image => new[] { ($"{image.Index:D5}.cls", "1"u8.ToArray()), ($"{image.Index:D5}.jpg", image.Photo) })]);
            Put(root, $"shards/train-{shard[0].Index:D5}.tar", bytes);
        }

        yield return Against(folder, Path.Combine(root, "shards"), "JPEG in tar shards (WebDataset)");
        string parquet = Path.Combine(root, "train-00000-of-00001.parquet");
        WriteParquet(parquet, photos).GetAwaiter().GetResult();
        yield return Against(folder, parquet, $"JPEG in Parquet, {PhotosOfShard} rows a group");
    }

    private static IEnumerable<ResultRow> OfSmall(string root)
    {
        byte[] records = new byte[Small * (1 + (3 * SmallSide * SmallSide))];
        SeededRandom random = new(3);
        for (int i = 0; i < records.Length; i++)
        {
            records[i] = (byte)((i / 7 % 200) + random.NextInt(40));
        }

        for (int i = 0; i < Small; i++)
        {
            records[i * (records.Length / Small)] = (byte)(i % 10);
        }

        string folder = Path.Combine(root, "small");
        Directory.CreateDirectory(folder);
        Parallel.For(0, Small, i => File.WriteAllBytes(Path.Combine(folder, $"{i:D5}.png"), Cli.Roofline.Photos.Of(i, SmallSide, SmallSide, SKEncodedImageFormat.Png)));
        string binary = Path.Combine(root, "cifar-10-batches-bin");
        Put(binary, "data_batch_1.bin", records);
        Put(binary, "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"u8.ToArray());
        yield return Against(folder, binary, "CIFAR-10 binary, unpacked, to a folder of PNG");
        byte[] tar = Tar([("c/data_batch_1.bin", records), ("c/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"u8.ToArray())]);
        yield return Against(folder, Put(root, "cifar-10-binary.tar.gz", Gzip(tar)), "CIFAR-10 binary in tar.gz, to a folder of PNG");
    }

    private static ResultRow Inflation(byte[][] photos)
    {
        byte[] content = [.. photos.SelectMany(photo => photo), .. new byte[photos.Length * 1000]];
        byte[] compressed = Gzip(content);
        double[] seconds = Measure.Best(
            () =>
            {
                using GZipStream stream = new(new MemoryStream(compressed), CompressionMode.Decompress);
                stream.CopyTo(Stream.Null);
            },
            () => _ = new InflatedBytes("x", new MemoryBytes(compressed), isGzip: true).Length);
        return new ResultRow(
            "reading a gzip file through once, with places noted", seconds[0] / seconds[1], "rate to that of GZipStream", "",
            $"{content.Length / seconds[1] / 1e6:0} MB/s (GZipStream {content.Length / seconds[0] / 1e6:0})");
    }

    private static ResultRow Against(string folder, string path, string name)
    {
        ImageSet files = ImageSet.Open(folder);
        long begin = Stopwatch.GetTimestamp();
        ImageSet images = ImageSet.Open(path);
        double opening = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        (double[] seconds, double[] processor) = Best(() => Decode(files), () => Decode(images));
        double ratio = processor[0] / files.Count / (processor[1] / images.Count);
        return new ResultRow(
            name, ratio, "processor time of an image in a folder to that in it", "",
            $"{images.Count / seconds[1]:0} images/s (folder {files.Count / seconds[0]:0}), opened in {opening:0} ms");
    }

    /// <summary>Best seconds and processor seconds of each piece of work, in turn: other programs change the latter least.</summary>
    private static (double[] Seconds, double[] Processor) Best(params Action[] works)
    {
        double[] seconds = [.. works.Select(_ => double.MaxValue)], processor = [.. seconds];
        for (int run = 0; run <= Runs; run++)
        {
            for (int i = 0; i < works.Length; i++)
            {
                TimeSpan before = Environment.CpuUsage.TotalTime;
                double elapsed = StageTimer.Once(works[i]);
                double used = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
                (seconds[i], processor[i]) = run == 0 ? (seconds[i], processor[i]) : (Math.Min(seconds[i], elapsed), Math.Min(processor[i], used));
            }
        }

        return (seconds, processor);
    }

    private static void Decode(ImageSet images) => Parallel.ForEach(
        Partitioner.Create(images.Entries, EnumerablePartitionerOptions.NoBuffering), entry => entry.Decode());

    private static string Put(string folder, string name, byte[] content)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static byte[] Tar((string Name, byte[] Content)[] files)
    {
        using MemoryStream bytes = new();
        using (TarWriter writer = new(bytes, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        return bytes.ToArray();
    }

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream bytes = new();
        using (GZipStream writer = new(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            writer.Write(content);
        }

        return bytes.ToArray();
    }

    private static byte[] Zip((string Name, byte[] Content)[] files)
    {
        using MemoryStream bytes = new();
        using (ZipArchive archive = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                using Stream entry = archive.CreateEntry(name).Open();
                entry.Write(content);
            }
        }

        return bytes.ToArray();
    }

    private static async Task WriteParquet(string path, byte[][] photos)
    {
        ParquetSchema schema = new(new StructField("image", new DataField<byte[]>("bytes"), new DataField<string>("path")));
        DataField[] fields = schema.GetDataFields();
        using FileStream stream = File.Create(path);
        ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            foreach (byte[][] rows in photos.Chunk(PhotosOfShard))
            {
                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                await group.WriteAsync(fields[0], rows).ConfigureAwait(false);
                await group.WriteAsync(fields[1], [.. rows.Select((_, i) => $"{i}.jpg")]).ConfigureAwait(false);
            }
        }
    }
}
