using SkiaSharp;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Tar shards of WebDataset.</summary>
public sealed class WebDatasetTests : IDisposable
{
    private static readonly byte[] Photo = TemporaryImages.Encode(TemporaryImages.Random(8, 8), SKEncodedImageFormat.Jpeg);

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shards_are_one_set_whose_samples_share_their_names()
    {
        _folder.Put("imagenet1k-train-0000.tar", Shard(("n01440764_10026", "7"), ("n01443537_1", "0")));
        _folder.Put("imagenet1k-train-0001.tar", Shard(("n01440764_1.5", "7")));
        _folder.Put("imagenet1k-validation-00.tar", Shard(("val_1", "3")));
        ImageSet train = ImageSet.Open(_folder.Root, withLabels: true);
        Assert.Equal([7, 0, 7], train.Entries.Select(entry => entry.Label!.Value));
        Assert.Equal("imagenet1k-train-0000/n01440764_10026.jpg", train.Entries[0].Name);
        Assert.Equal(8, train.Entries[2].Decode().Width);
        Assert.Equal([3], ImageSource.Images(_folder.Root, SplitUse.Test, labels: true).Entries.Select(entry => entry.Label!.Value));
        Assert.Equal(3, ImageSet.Open(Path.Combine(_folder.Root, "imagenet1k-train-*.tar")).Count);
        Assert.All(ImageSet.Open(_folder.Root).Entries, entry => Assert.Null(entry.Label));
    }

    [Fact]
    public void Classes_may_be_names_or_stand_in_json()
    {
        string path = _folder.Put("a.tar", Archives.Tar(
            ("1.cls", Archives.Text("dog\n")), ("1.jpg", Photo), ("2.json", Archives.Text("""{"label": "cat", "width": 8}""")), ("2.jpg", Photo), ("3.jpg", Photo)));
        ImageSet images = ImageSet.Open(path, withLabels: true);
        Assert.Equal(["cat", "dog"], images.Classes);
        Assert.Equal([1, 0, null], images.Entries.Select(entry => entry.Label));
    }

    [Theory]
    [InlineData("1.cls", "", "expected a class")]
    [InlineData("1.json", "{", "expected JSON")]
    public void A_label_that_is_wrong_is_told_where_it_is_needed(string name, string text, string fault)
    {
        string path = _folder.Put("a.tar", Archives.Tar(("1.jpg", Photo), (name, Archives.Text(text)), ("2.cls", "1"u8.ToArray()), ("2.jpg", Photo)));
        Assert.Equal(2, ImageSet.Open(path).Count);
        Assert.Contains(fault, Assert.Throws<ImageException>(() => ImageSet.Open(path, withLabels: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shard_that_is_cut_short_is_told_by_its_name()
    {
        byte[] shard = Shard(("1", "1"), ("2", "2"));
        _folder.Put("train-0.tar", shard);
        _folder.Put("train-1.tar", shard.AsSpan(0, 700));
        string fault = Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Root)).Message;
        Assert.Contains("train-1.tar", fault, StringComparison.Ordinal);
        Assert.Contains("cut short", fault, StringComparison.Ordinal);
    }

    private static byte[] Shard(params (string Key, string Label)[] samples) => Archives.Tar(
        [.. samples.SelectMany(sample => new[] { ($"{sample.Key}.cls", Archives.Text(sample.Label)), ($"{sample.Key}.jpg", Photo) })]);
}
