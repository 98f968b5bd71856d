using SnapViT.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Data;

public sealed class PreparedImagesTests : IDisposable
{
    private static readonly Preprocessing Small = Preprocessing.ForCrop(8, 1);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [LeakCheck]
    public void Kept_images_come_back_in_batches_of_any_size_as_often_as_wanted()
    {
        ImageSet folder = _folder.PutMany(7);
        using PreparedImages prepared = PreparedImages.Load(ImageBatches.ForEvaluation(folder.Entries, Small, size: 3), Stop);
        Assert.Equal(7, prepared.Count);
        Assert.Equal(folder.Entries, prepared.Files);
        float[] expected = [.. folder.Entries.SelectMany(file => Small.Apply(file.Decode()))];
        foreach (int size in new[] { 1, 4, 7, 100 })
        {
            List<float> values = [];
            foreach (Tensor batch in prepared.Batches(size))
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
    [LeakCheck]
    public void Broken_files_leave_no_gap()
    {
        _folder.PutMany(12);
        _folder.Put("004b.png", "text"u8);
        using PreparedImages prepared = PreparedImages.Load(ImageBatches.ForEvaluation(ImageSet.FromFolder(_folder.Root).Entries, Small, size: 5), Stop);
        Assert.Equal(12, prepared.Count);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"{i:D3}.png"), prepared.Files.Select(file => file.Name));
        using Tensor last = prepared.Batches(12).Single();
        using Tensor image = last[11];
        Assert.Equal(Small.Apply(prepared.Files[11].Decode()), image.data<float>().ToArray());
    }

    [Fact]
    [LeakCheck]
    public void A_failed_load_leaves_nothing_behind()
    {
        _folder.Put("a.png", "text"u8);
        ImageBatches batches = ImageBatches.ForEvaluation(ImageSet.FromFolder(_folder.Root).Entries, Small, size: 5);
        Assert.Throws<ImageException>(() => PreparedImages.Load(batches, Stop));
    }

    [Fact]
    [LeakCheck]
    public void A_batch_size_must_be_positive()
    {
        using PreparedImages prepared = new(zeros(2, 3, 8, 8));
        Assert.Empty(prepared.Files);
        Assert.Throws<ArgumentOutOfRangeException>(() => prepared.Batches(0));
    }
}
