using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class ImageFolderTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Images_are_found_at_any_depth_by_extension_in_ordinal_order()
    {
        Put("b/2.JPEG", "b/1.jpg", "a/sub/x.Png", "B/z.webp", "a/y.bmp", "a/notes.txt", "a/x.jpg.bak", "b/noextension");
        Assert.Equal(["B/z.webp", "a/sub/x.Png", "a/y.bmp", "b/1.jpg", "b/2.JPEG"], Names(ImageFolder.Scan(_folder.Root)));
    }

    [Fact]
    public void Sub_folders_are_classes_in_ordinal_order()
    {
        Put("dog/1.jpg", "cat/1.jpg", "Zebra/deep/1.jpg", "dog/2.jpg");
        ImageFolder images = ImageFolder.Scan(_folder.Root);
        Assert.Equal(["Zebra", "cat", "dog"], images.Classes);
        Assert.Equal([0, 1, 2, 2], images.Files.Select(file => file.Label!.Value));
    }

    [Fact]
    public void A_flat_folder_has_no_labels_without_a_list()
    {
        Put("n01_x.jpg", "n02_y.jpg");
        ImageFolder images = ImageFolder.Scan(_folder.Root);
        Assert.Empty(images.Classes);
        Assert.All(images.Files, file => Assert.Null(file.Label));
    }

    [Fact]
    public void File_name_prefixes_are_looked_up_in_the_list()
    {
        Put("n02_fish_2.jpg", "n01_x.jpg", "n02.jpg");
        ImageFolder images = ImageFolder.Scan(_folder.Root, Labels());
        Assert.Equal(["tench", "goldfish"], images.Classes);
        Assert.Equal([("n01_x.jpg", 0), ("n02.jpg", 1), ("n02_fish_2.jpg", 1)], images.Files.Select(file => (file.Name, file.Label!.Value)));
    }

    [Fact]
    public void A_prefix_that_the_list_lacks_is_named()
    {
        Put("n01_x.jpg", "n09_y.jpg");
        LabelFile labels = Labels();
        ImageFolderException exception = Assert.Throws<ImageFolderException>(() => ImageFolder.Scan(_folder.Root, labels));
        Assert.Equal($"{_folder.Root}: n09_y.jpg: the prefix 'n09' is not in {labels.Path}", exception.Message);
    }

    [Fact]
    public void Folders_without_images_are_refused_in_one_line()
    {
        string none = Path.Combine(_folder.Root, "none"), text = _folder.Put("only/text.txt", "text"u8);
        Assert.Equal($"{none}: there is no such folder", Refusal(none));
        Assert.Equal($"{text}: expected a folder of images, found a file", Refusal(text));
        Assert.Equal($"{Path.GetDirectoryName(text)}: expected JPEG, PNG, WebP or BMP images, found none among 1 files", Refusal(Path.GetDirectoryName(text)!));
        string empty = Directory.CreateDirectory(Path.Combine(_folder.Root, "empty")).FullName;
        Assert.Equal($"{empty}: expected JPEG, PNG, WebP or BMP images, found none among 0 files", Refusal(empty));

        static string Refusal(string path) => Assert.Throws<ImageFolderException>(() => ImageFolder.Scan(path)).Message;
    }

    [Fact]
    public void A_sample_is_seeded_without_repetition_and_in_the_folders_order()
    {
        Put([.. Enumerable.Range(0, 50).Select(i => $"{i:D2}.jpg")]);
        ImageFolder images = ImageFolder.Scan(_folder.Root);
        IReadOnlyList<ImageFile> sample = images.Sample(20, seed: 4);
        Assert.Equal(20, sample.Distinct().Count());
        Assert.Equal(sample.OrderBy(file => file.Name, StringComparer.Ordinal), sample);
        Assert.Equal(sample, images.Sample(20, seed: 4));
        Assert.NotEqual(sample, images.Sample(20, seed: 5));
        Assert.Subset(images.Sample(30, seed: 4).ToHashSet(), sample.ToHashSet());
        Assert.Equal(images.Files, images.Sample(1000, seed: 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => images.Sample(0, seed: 4));
    }

    [Fact]
    public void The_hash_tells_names_and_sizes_and_not_where_the_folder_lies()
    {
        Put("a.jpg", "b.jpg");
        string before = Hash();
        Assert.Equal("dda051319380d0be78fcd5754b36f56f", before[..32]);
        using TemporaryImages copy = new();
        copy.Put("a.jpg", "x"u8);
        copy.Put("b.jpg", "x"u8);
        Assert.Equal(before, ImageFolder.Hash(ImageFolder.Scan(copy.Root).Files));
        copy.Put("b.jpg", "xx"u8);
        Assert.NotEqual(before, ImageFolder.Hash(ImageFolder.Scan(copy.Root).Files));
        Put("c.jpg");
        Assert.NotEqual(before, Hash());

        string Hash() => ImageFolder.Hash(ImageFolder.Scan(_folder.Root).Files);
    }

    private void Put(params string[] names)
    {
        foreach (string name in names)
        {
            _folder.Put(name, "x"u8);
        }
    }

    private LabelFile Labels() => LabelFile.Read(_folder.Put("labels.txt", "n01 tench\nn02 goldfish\n"u8));

    private static IEnumerable<string> Names(ImageFolder images) => images.Files.Select(file => file.Name);
}
