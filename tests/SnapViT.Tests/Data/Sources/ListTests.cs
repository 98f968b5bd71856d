using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Photos with lists of their classes: a list that is opened itself, a list beside flat photos, a list for each split.</summary>
public sealed class ListTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("list.csv", "file_name,label\na.png,dog\nb.png,cat\n")]
    [InlineData("list.csv", "\"label\",\"image\"\n\"dog\",\"a\"\n\"cat\",\"b\"\n")]
    [InlineData("list.tsv", "id\tsize\tbreed\na\t3\tdog\nb\t4\tcat\n")]
    [InlineData("list.csv", "a.png;dog\nb.png;cat\n")]
    [InlineData("list.txt", "a.png dog\r\nb.png cat\r\n")]
    [InlineData("list.txt", "# made by hand\n./a.png dog\nb.png cat")]
    public void A_list_is_opened_as_the_images_beside_it(string name, string text)
    {
        Put("a.png", "b.png", "c.png");
        string list = _folder.Put(name, Archives.Text(text));
        ImageSet images = ImageSet.Open(list, withLabels: true);
        Assert.Equal(["cat", "dog"], images.Classes);
        Assert.Equal([("a", 1), ("b", 0)], images.Entries.Select(entry => (Path.GetFileNameWithoutExtension(entry.Name), entry.Label!.Value)));
        Assert.All(ImageSet.Open(list).Entries, entry => Assert.Null(entry.Label));
    }

    [Fact]
    public void Quotes_protect_separators_and_themselves()
    {
        Put("a, b.png");
        ImageSet images = ImageSet.Open(_folder.Put("list.csv", "image,label\n\"a, b.png\",\"tench, \"\"Tinca\"\"\"\n"u8), withLabels: true);
        Assert.Equal(["tench, \"Tinca\""], images.Classes);
    }

    [Fact]
    public void A_list_beside_flat_photos_tells_their_classes_where_they_are_needed()
    {
        Put("a.png", "b.png", "c.png");
        _folder.Put("labels.csv", "id,breed\na,dog\nb,cat\n"u8);
        ImageSet images = ImageSet.Open(_folder.Root, withLabels: true);
        Assert.Equal([1, 0, null], images.Entries.Select(entry => entry.Label));
        Assert.Empty(ImageSet.Open(_folder.Root).Classes);
    }

    [Fact]
    public void Lists_that_are_named_as_splits_are_the_splits()
    {
        Put("images/a.png", "images/b.png", "images/c.png");
        _folder.Put("train.csv", "filename,label\na.png,2\nb.png,10\n"u8);
        _folder.Put("test.csv", "filename,label\nc.png,2\n"u8);
        ImageSet train = ImageSet.Open(_folder.Root, withLabels: true);
        Assert.Equal(["2", "10"], train.Classes);
        Assert.Equal(["images/a.png", "images/b.png"], train.Entries.Select(entry => entry.Name));
        Assert.Equal(["images/c.png"], ImageSource.Images(_folder.Root, SplitUse.Test, labels: true).Entries.Select(entry => entry.Name));
    }

    [Fact]
    public void A_list_of_other_images_changes_nothing()
    {
        Put("a/1.png", "b/2.png");
        _folder.Put("train.txt", "lorem ipsum\n"u8);
        Assert.Equal(["a", "b"], ImageSet.Open(_folder.Root, withLabels: true).Classes);
    }

    [Fact]
    public void A_list_may_name_images_of_other_data_sets()
    {
        Put("one/train/1.png", "one/test/1.png", "two/1.png");
        _folder.Put("three.tar", Archives.Tar(("x/1.png", TemporaryImages.Encode(TemporaryImages.Random(5, 4), SkiaSharp.SKEncodedImageFormat.Png))));
        string list = _folder.Put("lists/merged.csv", "source,image\n../one#train,1.png\n../two,1.png\n../three.tar,1.png\n"u8);
        ImageSet images = ImageSet.Open(list);
        Assert.Equal(["../one#train/1.png", "../two/1.png", "../three.tar/1.png"], images.Entries.Select(entry => entry.Name));
        Assert.Equal(5, images.Entries[2].Decode().Width);
        Assert.Contains(
            "2.png is not in ../two", Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Put("lists/m.csv", "source,image\n../two,2.png\n"u8))).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "expected sources that are no lists",
            Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Put("lists/m.csv", "source,image\nm.csv,2.png\n"u8))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "found an empty file")]
    [InlineData("\n\n", "found an empty list")]
    [InlineData("image,label\n", "a heading alone")]
    [InlineData("image,label\n,dog\n", "line 2: expected an image")]
    [InlineData("a.png,dog\na.png,cat\n", "found a.png twice")]
    [InlineData("a.png,dog\nx.png,cat\n", "found 1 of 2 missing (x.png)")]
    public void A_list_that_is_wrong_is_refused(string text, string fault)
    {
        Put("a.png");
        string list = _folder.Put("list.csv", Archives.Text(text));
        Assert.Contains(fault, Assert.Throws<ImageException>(() => ImageSet.Open(list, withLabels: true)).Message, StringComparison.Ordinal);
    }

    private void Put(params string[] names) => Array.ForEach(names, name => _folder.Put(name, TemporaryImages.Random(4, 4)));
}
