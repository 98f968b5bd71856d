using SkiaSharp;
using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Data;

public sealed class ImageBatchesTests : IDisposable
{
    private static readonly Preprocessing Small = Preprocessing.ForCrop(8, 1);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [LeakCheck]
    public void Batches_hold_every_image_once_in_order_with_its_label()
    {
        _folder.Put("a/1.png", TemporaryImages.Random(20, 16, 1));
        _folder.Put("a/2.png", TemporaryImages.Random(9, 30, 2));
        _folder.Put("b/1.png", TemporaryImages.Random(8, 8, 3));
        ImageSet folder = ImageSet.FromFolder(_folder.Root);
        List<ImageEntry> seen = [];
        foreach (ImageBatch batch in ImageBatches.ForEvaluation(folder.Entries, Small, size: 2).Read(Stop))
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
    [LeakCheck]
    public void Crops_are_the_same_whatever_the_batch_size(CropProtocol protocol)
    {
        IReadOnlyList<ImageEntry> files = _folder.PutMany(7).Entries;
        MultiCrop crops = new(protocol, Small, seed: 5);
        float[] alone = Values(ImageBatches.ForCrops(files, crops, size: 1));
        Assert.Equal(7 * crops.Views * 3 * 8 * 8, alone.Length);
        Assert.Equal(alone, Values(ImageBatches.ForCrops(files, crops, size: 3)));
        Assert.Equal(alone, Values(ImageBatches.ForCrops(files, crops, size: 100)));
    }

    [Fact]
    [LeakCheck]
    public void Broken_files_among_good_ones_are_named_and_left_out()
    {
        byte[] jpeg = TemporaryImages.Encode(TemporaryImages.Random(40, 40), SKEncodedImageFormat.Jpeg);
        _folder.PutMany(17);
        _folder.Put("003b.jpg", jpeg.AsSpan(0, jpeg.Length / 2));
        _folder.Put("008b.jpg", "some text"u8);
        _folder.Put("zzz.jpg", []);
        ImageBatches batches = ImageBatches.ForEvaluation(ImageSet.FromFolder(_folder.Root).Entries, Small, size: 4);
        string[] names = Names(new ImageBatches(batches.Files, (_, image) => Small.Apply(image), batches.Shape, size: 4) { MaxSkippedShare = 0.15 }, out IReadOnlyList<SkippedImage> skipped);
        Assert.Equal(Enumerable.Range(0, 17).Select(i => $"{i:D3}.png"), names);
        Assert.Equal(["003b.jpg", "008b.jpg", "zzz.jpg"], skipped.Select(file => file.Name));
        Assert.All(skipped, file => Assert.Contains(file.Name, file.Reason, StringComparison.Ordinal));
        ImageException exception = Assert.Throws<ImageException>(() => Values(batches));
        Assert.StartsWith("003b.jpg: more than 10", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    [LeakCheck]
    public void A_file_that_vanishes_is_left_out_and_a_second_pass_counts_anew()
    {
        ImageSet folder = _folder.PutMany(20);
        File.Delete(folder.Entries[4].Location);
        ImageBatches batches = ImageBatches.ForEvaluation(folder.Entries, Small, size: 8);
        for (int pass = 0; pass < 2; pass++)
        {
            Assert.Equal(19 * 3 * 8 * 8, Values(batches).Length);
            Assert.Equal("004.png", Assert.Single(batches.Skipped).Name);
        }
    }

    [Fact]
    [LeakCheck]
    public void A_folder_of_text_files_named_jpg_is_an_error_that_names_the_first()
    {
        _folder.Put("a.jpg", "text"u8);
        _folder.Put("b.jpg", "text"u8);
        ImageBatches batches = ImageBatches.ForEvaluation(ImageSet.FromFolder(_folder.Root).Entries, Small, size: 2);
        Assert.StartsWith("a.jpg: more than", Assert.Throws<ImageException>(() => Values(batches)).Message, StringComparison.Ordinal);
    }

    [Fact]
    [LeakCheck]
    public void What_goes_wrong_on_a_background_thread_reaches_the_consumer()
    {
        ImageBatches failing = Counting(_folder.PutMany(9).Entries, image => throw new NotSupportedException("boom"), size: 2);
        Assert.Equal("boom", Assert.Throws<NotSupportedException>(() => Values(failing)).Message);
        ImageBatches wrong = Counting(failing.Files, image => new float[5], size: 2);
        Assert.Equal("000.png: expected 4 prepared values [4], found 5", Assert.Throws<InvalidOperationException>(() => Values(wrong)).Message);
    }

    [Fact]
    [LeakCheck]
    public void Reading_never_runs_further_ahead_than_two_batches()
    {
        int prepared = 0, taken = 0, most = 0;
        ImageBatches batches = Counting(_folder.PutMany(60).Entries, _ =>
        {
            Interlocked.Increment(ref prepared);
            return new float[4];
        }, size: 3);
        foreach (ImageBatch batch in batches.Read(Stop))
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
    [LeakCheck]
    public void Leaving_early_stops_all_background_work()
    {
        int running = 0, prepared = 0;
        ImageBatches batches = Counting(_folder.PutMany(40).Entries, _ =>
        {
            Interlocked.Increment(ref running);
            Thread.Sleep(5);
            Interlocked.Increment(ref prepared);
            Interlocked.Decrement(ref running);
            return new float[4];
        }, size: 4);
        using (ImageBatch first = batches.Read(Stop).First())
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
    [LeakCheck]
    public void Cancellation_ends_reading()
    {
        using CancellationTokenSource cancel = new();
        ImageBatches batches = ImageBatches.ForEvaluation(_folder.PutMany(30).Entries, Small, size: 5);
        int taken = 0;
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (ImageBatch batch in batches.Read(cancel.Token))
            {
                batch.Dispose();
                taken++;
                cancel.Cancel();
            }
        });
        Assert.Equal(1, taken);
    }

    [Fact]
    [LeakCheck]
    public void A_batch_outlives_the_scope_it_was_read_in()
    {
        IReadOnlyList<ImageEntry> files = _folder.PutMany(2).Entries;
        ImageBatch batch;
        using (NewDisposeScope())
        {
            batch = ImageBatches.ForEvaluation(files, Small, size: 2).Read(Stop).Single();
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
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageBatches.ForEvaluation([], Small, size: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => ImageBatches.ForEvaluation([], Preprocessing.ForCrop(224, 1), size: 5000));
        Assert.Throws<ArgumentException>(() => ImageBatches.ForEvaluation([], Small with { ResizeTo = 2 }, size: 1));
        Assert.Empty(ImageBatches.ForEvaluation([], Small, size: 3).Read(Stop));
    }

    private static ImageBatches Counting(IReadOnlyList<ImageEntry> files, Func<RgbImage, float[]> prepare, int size) =>
        new(files, (_, image) => prepare(image), [4], size);

    private static float[] Values(ImageBatches batches)
    {
        List<float> values = [];
        foreach (ImageBatch batch in batches.Read(Stop))
        {
            using (batch)
            {
                values.AddRange(batch.Images.data<float>().ToArray());
            }
        }

        return [.. values];
    }

    private static string[] Names(ImageBatches batches, out IReadOnlyList<SkippedImage> skipped)
    {
        List<string> names = [];
        foreach (ImageBatch batch in batches.Read(Stop))
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
