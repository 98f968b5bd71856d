using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Data;

[LeakCheck]
public sealed class PreparedImagesTests : IDisposable
{
    private static readonly Preprocessing Small = Preprocessing.ForCrop(8, 1);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Kept_images_come_back_in_batches_of_any_size_as_often_as_wanted()
    {
        ImageSet folder = _folder.PutMany(7);
        using PreparedImages prepared = Load(folder, size: 3);
        Assert.Equal(7, prepared.Count);
        Assert.Equal(folder.Entries, prepared.Entries);
        float[] expected = [.. folder.Entries.SelectMany(entry => Small.Apply(entry.Decode()))];
        foreach (int size in new[] { 1, 4, 7, 100 })
        {
            List<float> values = [];
            foreach (Tensor batch in prepared.Batches(size, cancellation: Stop))
            {
                using (batch)
                {
                    Assert.True(batch.shape[0] <= size);
                    values.AddRange(batch.data<float>().ToArray());
                }
            }

            Assert.Equal(expected, values);
        }
    }

    [Fact]
    public void Values_of_bytes_take_a_quarter_of_the_memory_and_others_are_kept_as_they_are()
    {
        ImageSet folder = _folder.PutMany(5);
        Preprocessing inFloat = Small with { ResizeInFloat = true };
        using PreparedImages ofBytes = Load(folder, size: 2), ofFloats = Load(folder, size: 2, inFloat);

        Assert.Equal(5 * 3 * 8 * 8, ofBytes.Bytes);
        Assert.Equal(4 * ofBytes.Bytes, ofFloats.Bytes);
        using Tensor kept = ofFloats.Batches([4, 0], 2, CPU, Stop).Single(), packed = ofBytes.Batches([4, 0], 2, CPU, Stop).Single();
        int[] order = [4, 0];
        Assert.Equal(order.SelectMany(image => inFloat.Apply(folder.Entries[image].Decode())), kept.data<float>().ToArray());
        Assert.Equal(order.SelectMany(image => Small.Apply(folder.Entries[image].Decode())), packed.data<float>().ToArray());
    }

    [Fact]
    public void Broken_files_leave_no_gap()
    {
        _folder.PutMany(12);
        _folder.Put("004b.png", "text"u8);
        using PreparedImages prepared = Load(ImageSet.FromFolder(_folder.Root), size: 5);
        Assert.Equal(12, prepared.Count);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"{i:D3}.png"), prepared.Entries.Select(entry => entry.Name));
        using Tensor all = prepared.Batches(12, cancellation: Stop).Single(), last = all[11];
        Assert.Equal(Small.Apply(prepared.Entries[11].Decode()), last.data<float>().ToArray());
    }

    [Fact]
    public void Cancellation_ends_a_pass_between_two_batches()
    {
        using PreparedImages prepared = new(zeros(4, 3, 8, 8));
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (Tensor batch in prepared.Batches(2, cancellation: stop.Token))
            {
                batch.Dispose();
                stop.Cancel();
            }
        });
    }

    [Fact]
    public void A_batch_size_must_be_positive()
    {
        using PreparedImages prepared = new(zeros(2, 3, 8, 8));
        Assert.Empty(prepared.Entries);
        Assert.Null(prepared.Consumer);
        Assert.Throws<ArgumentOutOfRangeException>(() => prepared.Batches(0, cancellation: Stop));
    }

    private static PreparedImages Load(ImageSet images, int size, Preprocessing? preprocessing = null)
    {
        PreparedImages prepared = new(images, ImagePreparation.Whole(preprocessing ?? Small), size);
        new ImageReader(images, prepared.Consumer!).Run(Stop);
        return prepared;
    }
}
