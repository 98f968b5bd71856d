using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>One way to name images: a path, with a name before it and a split after it.</summary>
public sealed class ImageSourceTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("photos", null, "photos", null)]
    [InlineData("pets=photos", "pets", "photos", null)]
    [InlineData("photos#test", null, "photos", "test")]
    [InlineData("pets=data/a.tar.gz#val", "pets", "data/a.tar.gz", "val")]
    [InlineData("a/b=c", null, "a/b=c", null)]
    [InlineData("data/train-*.parquet", null, "data/train-*.parquet", null)]
    public void A_path_may_have_a_name_and_a_split(string text, string? name, string path, string? split) =>
        Assert.Equal(new ImageLocation(name, path, split), ImageLocation.Parse(text));

    [Fact]
    public void A_file_that_has_such_a_name_is_that_file()
    {
        foreach (string name in new[] { "pets=photos", "photos#1" })
        {
            string path = _folder.Put($"{name}/1.png", TemporaryImages.Random(4, 4));
            Assert.Equal(new ImageLocation(null, Path.GetDirectoryName(path)!, null), ImageLocation.Parse(Path.GetDirectoryName(path)!));
        }
    }

    [Fact]
    public void Training_images_are_meant_where_none_are_named_and_test_images_for_a_test()
    {
        Put("train/a/1.png", "train/b/2.png", "val/a/3.png");
        Assert.Equal(["a/1.png", "b/2.png"], Names(ImageSource.Images(_folder.Root, SplitUse.Photos, labels: false)));
        Assert.Equal(["a/1.png", "b/2.png"], Names(ImageSource.Images(_folder.Root, SplitUse.Train, labels: true)));
        Assert.Equal(["a/3.png"], Names(ImageSource.Images(_folder.Root, SplitUse.Test, labels: true)));
        Assert.Equal(["a/3.png"], Names(ImageSet.Open($"{_folder.Root}#VAL")));
        Assert.Equal(
            $"{_folder.Root}: expected one of its splits train, val, found 'tests'",
            Assert.Throws<ImageException>(() => ImageSet.Open($"{_folder.Root}#tests")).Message);
    }

    [Fact]
    public void A_folder_beside_splits_or_a_photo_makes_them_classes_as_before()
    {
        Put("train/1.png", "test/2.png", "plane/3.png");
        Assert.Equal(["plane", "test", "train"], ImageSet.Open(_folder.Root).Classes);
    }

    [Fact]
    public void A_set_without_splits_is_divided_four_to_one_in_every_class_where_that_is_asked_for()
    {
        for (int i = 0; i < 40; i++)
        {
            Put($"{(i < 30 ? "cat" : "dog")}/{i}.png");
        }

        ImageSet train = ImageSet.Open($"{_folder.Root}#train"), test = ImageSet.Open($"{_folder.Root}#test");
        Assert.Equal([24, 8], train.Entries.CountBy(entry => entry.Label!.Value).Select(pair => pair.Value));
        Assert.Equal([6, 2], test.Entries.CountBy(entry => entry.Label!.Value).Select(pair => pair.Value));
        Assert.Equal(Names(ImageSet.Open(_folder.Root)), Names(train).Concat(Names(test)).Order(StringComparer.Ordinal));
        Assert.Equal(Names(test), Names(ImageSet.Open($"{_folder.Root}#test")));
    }

    [Fact]
    public void What_is_not_there_is_told() => Assert.Equal(
        $"{_folder.Root}/none: there is no such folder",
        Assert.Throws<ImageException>(() => ImageSet.Open($"x={_folder.Root}/none#train")).Message);

    private static IEnumerable<string> Names(ImageSet images) => images.Entries.Select(entry => entry.Name);

    private void Put(params string[] names) => Array.ForEach(names, name => _folder.Put(name, TemporaryImages.Random(4, 4)));
}
