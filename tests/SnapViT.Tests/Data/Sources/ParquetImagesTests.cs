using Parquet;
using Parquet.Schema;
using SkiaSharp;
using SnapViT.Core.Randomness;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Parquet as the Hugging Face hub serves images.</summary>
public sealed class ParquetImagesTests : IDisposable
{
    private const string Features =
        """{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["tench", "goldfish"], "_type": "ClassLabel"}}}}""";

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Shards_of_a_folder_are_its_splits_with_the_classes_of_the_schema()
    {
        await Write("data/train-00000-of-00002.parquet", [0, 1, 1, 0, 1], rowsOfGroup: 2);
        await Write("data/train-00001-of-00002.parquet", [1, 0]);
        await Write("data/test-00000-of-00001.parquet", [0]);
        _folder.Put("README.md", "# a data set"u8);
        ImageSet train = ImageSet.Open(_folder.Root, withLabels: true);
        Assert.Equal(["tench", "goldfish"], train.Classes);
        Assert.Equal([0, 1, 1, 0, 1, 1, 0], train.Entries.Select(entry => entry.Label!.Value));
        Assert.Equal([10, 11, 12, 13, 14, 10, 11], train.Entries.Select(entry => entry.Decode().Width));
        Assert.Equal("data/train-00001-of-00002/000005", train.Entries[5].Name);
        Assert.Equal(1, ImageSource.Images(_folder.Root, SplitUse.Test, labels: true).Count);
        ImageSet byPattern = ImageSet.Open(Path.Combine(_folder.Root, "data", "train-*.parquet"), withLabels: true);
        Assert.Equal(train.Entries.Select(entry => entry.Label), byPattern.Entries.Select(entry => entry.Label));
        Assert.Equal(2, ImageSet.Open(Path.Combine(_folder.Root, "data", "train-00001-of-00002.parquet")).Count);
    }

    [Fact]
    public async Task A_file_without_its_extension_is_known_by_its_first_bytes()
    {
        string path = await Write("x.parquet", [0, 1]);
        string renamed = Path.Combine(_folder.Root, "renamed", "x");
        Directory.CreateDirectory(Path.GetDirectoryName(renamed)!);
        File.Move(path, renamed);
        Assert.Equal([0, 1], ImageSet.Open(renamed, withLabels: true).Entries.Select(entry => entry.Label!.Value));
    }

    [Fact]
    public async Task Images_are_read_from_many_threads()
    {
        string path = await Write("x.parquet", [.. Enumerable.Range(0, 60).Select(i => (long?)(i % 2))], rowsOfGroup: 7);
        ImageSet images = ImageSet.Open(path);
        Parallel.For(0, 240, i => Assert.Equal(10 + (i * 37 % 60), images.Entries[i * 37 % 60].Decode().Width));
    }

    [Fact]
    public async Task Labels_are_read_where_they_are_needed_only_and_rows_without_one_have_none()
    {
        string path = await Write("x.parquet", [0, null, 1]);
        Assert.All(ImageSet.Open(path).Entries, entry => Assert.Null(entry.Label));
        Assert.Equal([0, null, 1], ImageSet.Open(path, withLabels: true).Entries.Select(entry => entry.Label));
        string wrong = await Write("y.parquet", [0, 2]);
        Assert.Equal(2, ImageSet.Open(wrong).Count);
        Assert.Contains("expected a label of 0 or more and below 2, found 2", Fault(wrong), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shards_of_other_classes_are_refused()
    {
        await Write("train-0.parquet", [0]);
        await Write("train-1.parquet", [0], Features.Replace("tench", "shark", StringComparison.Ordinal));
        Assert.Contains("expected the classes of the other shards", Fault(_folder.Root), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_cut_short_damaged_or_without_images_is_refused()
    {
        string path = await Write("x.parquet", [0, 1]);
        byte[] whole = File.ReadAllBytes(path);
        Assert.Contains("expected a Parquet file", Fault(_folder.Put("short.parquet", whole.AsSpan(0, whole.Length - 9))), StringComparison.Ordinal);
        Assert.Contains("expected a Parquet file", Fault(_folder.Put("text.parquet", "hello"u8)), StringComparison.Ordinal);
        ParquetSchema other = new(new DataField<string>("caption"));
        using (FileStream stream = File.Create(Path.Combine(_folder.Root, "other.parquet")))
        {
            ParquetWriter writer = await ParquetWriter.CreateAsync(other, stream, cancellationToken: TestContext.Current.CancellationToken);
            await writer.DisposeAsync();
        }

        Assert.Contains("expected a column 'image' with 'bytes', found caption", Fault(Path.Combine(_folder.Root, "other.parquet")), StringComparison.Ordinal);
        for (int at = 4; at < whole.Length; at += 3)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x21;
            try
            {
                foreach (ImageEntry entry in ImageSet.Open(_folder.Put("damaged.parquet", damaged), withLabels: true).Entries)
                {
                    entry.Decode();
                }
            }
            catch (Exception exception) when (exception is ImageException or InvalidDataException)
            {
                // Refused is as good as read.
            }
        }
    }

    // The library that reads Parquet follows a damaged count of its footer without an end.
    [Fact]
    public async Task Damage_to_the_footer_never_keeps_the_reader_busy()
    {
        byte[] whole = File.ReadAllBytes(await Write("x.parquet", [0, 1]));
        SeededRandom random = new(3);
        for (int i = 0; i < 1500; i++)
        {
            byte[] damaged = [.. whole];
            for (int change = 0; change < 3; change++)
            {
                damaged[whole.Length - 1 - random.NextInt(460)] = (byte)random.NextInt(256);
            }

            try
            {
                Assert.True(ImageSet.Open(_folder.Put("damaged.parquet", damaged), withLabels: true).Count > 0);
            }
            catch (ImageException)
            {
                // Refused is as good as read.
            }
        }
    }

    private static string Fault(string path) => Assert.Throws<ImageException>(() => ImageSet.Open(path, withLabels: true)).Message;

    private async Task<string> Write(string name, long?[] labels, string features = Features, int rowsOfGroup = 100)
    {
        ParquetSchema schema = new(
            new StructField("image", new DataField<byte[]>("bytes"), new DataField<string>("path")), new DataField<long>("label", true));
        DataField[] fields = schema.GetDataFields();
        string path = _folder.Put(name, []);
        using FileStream stream = File.Create(path);
        ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream, cancellationToken: TestContext.Current.CancellationToken);
        await using (writer)
        {
            writer.CustomMetadata = new Dictionary<string, string> { ["huggingface"] = features };
            foreach (int[] rows in Enumerable.Range(0, labels.Length).Chunk(rowsOfGroup))
            {
                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                byte[][] images = [.. rows.Select(row => TemporaryImages.Encode(TemporaryImages.Random(10 + row, 8, (ulong)row), SKEncodedImageFormat.Png))];
                await group.WriteAsync(fields[0], images);
                await group.WriteAsync(fields[1], [.. rows.Select(row => $"{row}.png")]);
                await group.WriteAsync<long>(fields[2], rows.Select(row => labels[row]).ToArray().AsMemory(), cancellationToken: TestContext.Current.CancellationToken);
            }
        }

        return path;
    }
}
