using System.Collections.Concurrent;
using SkiaSharp;
using SnapViT.Core.Errors;
using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Data;

[LeakCheck]
public sealed class ImageReaderTests : IDisposable
{
    private static readonly Preprocessing Small = Preprocessing.ForCrop(8, 1);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Batches_hold_every_image_once_in_order_with_its_label()
    {
        _folder.Put("a/1.png", TemporaryImages.Random(20, 16, 1));
        _folder.Put("a/2.png", TemporaryImages.Random(9, 30, 2));
        _folder.Put("b/1.png", TemporaryImages.Random(8, 8, 3));
        ImageSet folder = ImageSet.FromFolder(_folder.Root);
        List<ImageEntry> seen = [];
        foreach (ImageBatch batch in Whole(folder, size: 2).Batches(Stop))
        {
            using (batch)
            {
                Assert.Equal<long[]>([batch.Entries.Count, 3, 8, 8], batch.Images.shape);
                Assert.Equal(ScalarType.Float32, batch.Images.dtype);
                for (int i = 0; i < batch.Entries.Count; i++)
                {
                    using Tensor image = batch.Images[i];
                    Assert.Equal(Small.Apply(batch.Entries[i].Decode()), image.data<float>().ToArray());
                }

                seen.AddRange(batch.Entries);
            }
        }

        Assert.Equal(folder.Entries, seen);
        Assert.Equal([0, 0, 1], seen.Select(file => file.Label!.Value));
    }

    [Theory]
    [InlineData(CropProtocol.Reference)]
    [InlineData(CropProtocol.Independent)]
    public void Crops_are_the_same_whatever_the_batch_size(CropProtocol protocol)
    {
        ImageSet images = _folder.PutMany(7);
        MultiCrop crops = new(protocol, Small, seed: 5);
        float[] alone = Values(Crops(1));
        Assert.Equal(7 * crops.Views * 3 * 8 * 8, alone.Length);
        Assert.Equal(alone, Values(Crops(3)));
        Assert.Equal(alone, Values(Crops(100)));

        ImageReader Crops(int size) => new(images, new ImageConsumer(images, ImagePreparation.Crops(crops), size));
    }

    [Fact]
    public void Broken_files_among_good_ones_are_named_and_left_out()
    {
        byte[] jpeg = TemporaryImages.Encode(TemporaryImages.Random(40, 40), SKEncodedImageFormat.Jpeg);
        _folder.PutMany(17);
        _folder.Put("003b.jpg", jpeg.AsSpan(0, jpeg.Length / 2));
        _folder.Put("008b.jpg", "some text"u8);
        _folder.Put("zzz.jpg", []);
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        ImageReader patient = new(images, Consumer(images, 4)) { MaxSkippedShare = 0.15 };
        string[] names = Names(patient, out IReadOnlyList<SkippedImage> skipped);
        Assert.Equal(Enumerable.Range(0, 17).Select(i => $"{i:D3}.png"), names);
        Assert.Equal(["003b.jpg", "008b.jpg", "zzz.jpg"], skipped.Select(file => file.Name));
        Assert.All(skipped, file => Assert.Contains(file.Name, file.Reason, StringComparison.Ordinal));
        ImageException exception = Assert.Throws<ImageException>(() => Values(Whole(images, size: 4)));
        Assert.StartsWith("003b.jpg: more than 10", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void A_file_that_vanishes_is_left_out_and_a_second_pass_counts_anew()
    {
        ImageSet folder = _folder.PutMany(20);
        File.Delete(folder.Entries[4].Location);
        ImageReader reader = Whole(folder, size: 8);
        for (int pass = 0; pass < 2; pass++)
        {
            Assert.Equal(19 * 3 * 8 * 8, Values(reader).Length);
            Assert.Equal("004.png", Assert.Single(reader.Skipped).Name);
        }
    }

    [Fact]
    public void A_folder_of_text_files_named_jpg_is_an_error_that_names_the_first()
    {
        _folder.Put("a.jpg", "text"u8);
        _folder.Put("b.jpg", "text"u8);
        ImageReader reader = Whole(ImageSet.FromFolder(_folder.Root), size: 2);
        Assert.StartsWith("a.jpg: more than", Assert.Throws<ImageException>(() => Values(reader)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_goes_wrong_on_a_background_thread_reaches_the_consumer()
    {
        ImageSet images = _folder.PutMany(9);
        ImageReader failing = Counting(images, image => throw new NotSupportedException("boom"), size: 2);
        Assert.Equal("boom", Assert.Throws<NotSupportedException>(() => Values(failing)).Message);
        ImageReader wrong = Counting(images, image => new float[5], size: 2);
        Assert.Equal("000.png: expected 4 prepared values [4], found 5", Assert.Throws<InvalidOperationException>(() => Values(wrong)).Message);
    }

    [Fact]
    public void Reading_never_runs_further_ahead_than_two_batches()
    {
        int prepared = 0, taken = 0, most = 0;
        ImageReader batches = Counting(_folder.PutMany(60), _ =>
        {
            Interlocked.Increment(ref prepared);
            return new float[4];
        }, size: 3);
        foreach (ImageBatch batch in batches.Batches(Stop))
        {
            using (batch)
            {
                taken += batch.Entries.Count;
                Thread.Sleep(2);
                most = Math.Max(most, Volatile.Read(ref prepared) - taken);
            }
        }

        Assert.Equal((60, 60), (prepared, taken));
        Assert.InRange(most, 1, 6);
    }

    [Fact]
    public void Leaving_early_stops_all_background_work()
    {
        int running = 0, prepared = 0;
        ImageReader batches = Counting(_folder.PutMany(40), _ =>
        {
            Interlocked.Increment(ref running);
            Thread.Sleep(5);
            Interlocked.Increment(ref prepared);
            Interlocked.Decrement(ref running);
            return new float[4];
        }, size: 4);
        using (ImageBatch first = batches.Batches(Stop).First())
        {
            Assert.Equal(4, first.Entries.Count);
        }

        int after = Volatile.Read(ref prepared);
        Assert.Equal(0, Volatile.Read(ref running));
        Thread.Sleep(50);
        Assert.Equal(after, Volatile.Read(ref prepared));
        Assert.InRange(after, 4, 4 + 8);
    }

    [Fact]
    public void Cancellation_ends_reading()
    {
        using CancellationTokenSource cancel = new();
        ImageReader batches = Whole(_folder.PutMany(30), size: 5);
        int taken = 0;
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (ImageBatch batch in batches.Batches(cancel.Token))
            {
                batch.Dispose();
                taken++;
                cancel.Cancel();
            }
        });
        Assert.Equal(1, taken);
    }

    [Fact]
    public void A_batch_outlives_the_scope_it_was_read_in()
    {
        ImageSet images = _folder.PutMany(2);
        ImageBatch batch;
        using (NewDisposeScope())
        {
            batch = Whole(images, size: 2).Batches(Stop).Single();
        }

        using (batch)
        {
            Assert.False(batch.Images.IsInvalid);
            Assert.Equal(2, batch.Images.shape[0]);
        }
    }

    [Fact]
    public void Sizes_that_make_no_sense_are_refused()
    {
        ImageSet images = _folder.PutMany(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => Whole(images, size: 0));
        Assert.Throws<SnapViTException>(() => new ImageConsumer(images, ImagePreparation.Whole(Preprocessing.ForCrop(224, 1)), 5000));
        Assert.Throws<SnapViTException>(() => ImagePreparation.Whole(Small with { ResizeTo = 2 }));
    }

    [Fact]
    public void An_image_is_decoded_once_for_any_number_of_consumers_and_prepared_once_for_those_that_share_a_preparation()
    {
        ConcurrentDictionary<string, int> opened = [];
        ImageSet images = Counted(20, opened), few = images.Where(entry => entry.Name is "003" or "007" or "008");
        int prepared = 0;
        ImagePreparation shared = new([2], (_, _) =>
        {
            Interlocked.Increment(ref prepared);
            return new float[2];
        });
        List<string> taken = [];
        ImageReader reader = new(
            images,
            new ImageConsumer(images, shared, 8, take: batch => taken.Add($"all {batch.Entries.Count}")),
            new ImageConsumer(few, shared, 2, take: batch => taken.Add($"few {string.Join(' ', batch.Entries.Select(entry => entry.Name))}")),
            new ImageConsumer(few, ImagePreparation.Whole(Small), 5, take: batch => taken.Add($"whole {batch.Images.shape[0]}")));
        reader.Run(Stop);
        Assert.Equal(["all 8", "few 003 007", "few 008", "whole 3", "all 8", "all 4"], taken);
        Assert.Equal((20, 20), (opened.Count, prepared));
        Assert.All(opened.Values, count => Assert.Equal(1, count));
    }

    [Fact]
    public void Images_that_no_consumer_wants_are_not_opened()
    {
        ConcurrentDictionary<string, int> opened = [];
        ImageSet images = Counted(9, opened), few = images.Where(entry => entry.Name is "002" or "005");
        List<(int, int)> progress = [];
        new ImageReader(images, Consumer(few, 1)) { Progress = (done, all) => progress.Add((done, all)) }.Run(Stop);
        Assert.Equal(["002", "005"], opened.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([(1, 2), (2, 2)], progress);
        new ImageReader(images).Run(Stop);
        Assert.Equal(2, opened.Count);
    }

    [Fact]
    public void A_consumer_s_batches_do_not_depend_on_who_else_reads()
    {
        ImageSet images = _folder.PutMany(23), few = images.Sample(9, seed: 3);
        MultiCrop crops = new(CropProtocol.Reference, Small, seed: 5);
        List<string> alone = [], together = [];
        new ImageReader(images, Noting(few, 4, crops, alone)).Run(Stop);
        new ImageReader(images, Consumer(images, 3), Noting(few, 4, crops, together), Consumer(images, 16)).Run(Stop);
        Assert.Equal(alone, together);
        Assert.Equal(3, alone.Count);
    }

    [Fact]
    public void Progress_rises_to_the_number_of_images_even_where_the_last_is_broken()
    {
        _folder.PutMany(14);
        _folder.Put("zzz.png", "text"u8);
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        List<int> done = [];
        new ImageReader(images, Consumer(images, 4), Consumer(images, 6)) { Progress = (read, all) => done.Add(read) }.Run(Stop);
        Assert.Equal([4, 6, 8, 12, 15], done);
    }

    [Fact]
    public void A_consumer_of_few_images_refuses_when_too_many_of_its_own_are_broken()
    {
        _folder.PutMany(30);
        _folder.Put("005b.png", "text"u8);
        ImageSet images = ImageSet.FromFolder(_folder.Root), few = images.Where(entry => entry.Name.StartsWith("005", StringComparison.Ordinal));
        Assert.Single(Values(Whole(images, size: 100)).Chunk(30 * 3 * 8 * 8));
        string refusal = Assert.Throws<ImageException>(() => new ImageReader(images, Consumer(images, 4), Consumer(few, 4)).Run(Stop)).Message;
        Assert.StartsWith("005b.png: more than 10", refusal, StringComparison.Ordinal);
        Assert.Contains("of 2 files", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_that_fails_to_open_leaves_its_image_out()
    {
        byte[] image = TemporaryImages.Encode(TemporaryImages.Random(9, 9), SKEncodedImageFormat.Png);
        Exception[] faults = [new IOException("gone"), new InvalidDataException("bad archive"), new UnauthorizedAccessException("not yours"), new ImageException("x", "empty row")];
        ImageSet images = new("a source", Enumerable.Range(0, 50).Select(i => i % 13 == 5
            ? ImageEntry.FromStream($"{i}", 1, () => throw faults[i / 13])
            : ImageEntry.FromBytes($"{i}", image)));
        ImageReader reader = Whole(images, size: 16);
        Assert.Equal(46 * 3 * 8 * 8, Values(reader).Length);
        Assert.Equal(faults.Select(fault => fault.Message), reader.Skipped.Select(skipped => skipped.Reason));
    }

    [Fact]
    public void A_consumer_of_other_images_is_refused()
    {
        ImageSet images = _folder.PutMany(2), others = ImageSet.FromFolder(_folder.Root);
        Assert.Throws<ArgumentException>(() => new ImageReader(images, Consumer(others, 1)));
    }

    private static ImageReader Counting(ImageSet images, Func<RgbImage, float[]> prepare, int size) =>
        new(images, new ImageConsumer(images, new ImagePreparation([4], (_, image) => prepare(image)), size));

    private static ImageReader Whole(ImageSet images, int size) => new(images, Consumer(images, size));

    private static ImageConsumer Consumer(ImageSet images, int size) => new(images, ImagePreparation.Whole(Small), size, take: _ => { });

    private static ImageConsumer Noting(ImageSet images, int size, MultiCrop crops, List<string> notes) => new(
        images, ImagePreparation.Crops(crops), size, take: batch => notes.Add($"{batch.Entries[0].Name} {batch.Entries.Count}: {string.Join(' ', batch.Images.data<float>())}"));

    /// <summary>Images <c>000</c>, <c>001</c>, ... in memory, and how often each was opened.</summary>
    private static ImageSet Counted(int count, ConcurrentDictionary<string, int> opened)
    {
        byte[] image = TemporaryImages.Encode(TemporaryImages.Random(9, 9), SKEncodedImageFormat.Png);
        return new ImageSet("counted", Enumerable.Range(0, count).Select(i => ImageEntry.FromStream($"{i:D3}", image.Length, () =>
        {
            opened.AddOrUpdate($"{i:D3}", 1, (_, times) => times + 1);
            return new MemoryStream(image);
        })));
    }

    private static float[] Values(ImageReader batches)
    {
        List<float> values = [];
        foreach (ImageBatch batch in batches.Batches(Stop))
        {
            using (batch)
            {
                values.AddRange(batch.Images.data<float>().ToArray());
            }
        }

        return [.. values];
    }

    private static string[] Names(ImageReader batches, out IReadOnlyList<SkippedImage> skipped)
    {
        List<string> names = [];
        foreach (ImageBatch batch in batches.Batches(Stop))
        {
            using (batch)
            {
                names.AddRange(batch.Entries.Select(file => file.Name));
            }
        }

        skipped = [.. batches.Skipped];
        return [.. names];
    }
}
