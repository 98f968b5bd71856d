using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class ImageSetTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Images_are_found_at_any_depth_by_extension_in_ordinal_order()
    {
        Put("b/2.JPEG", "b/1.jpg", "a/sub/x.Png", "B/z.webp", "a/y.bmp", "a/notes.txt", "a/x.jpg.bak", "b/noextension");
        Assert.Equal(["B/z.webp", "a/sub/x.Png", "a/y.bmp", "b/1.jpg", "b/2.JPEG"], Names(ImageSet.FromFolder(_folder.Root)));
    }

    [Fact]
    public void Sub_folders_are_classes_in_ordinal_order()
    {
        Put("dog/1.jpg", "cat/1.jpg", "Zebra/deep/1.jpg", "dog/2.jpg");
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        Assert.Equal(["Zebra", "cat", "dog"], images.Classes);
        Assert.Equal([0, 1, 2, 2], images.Entries.Select(file => file.Label!.Value));
    }

    [Fact]
    public void A_flat_folder_has_no_labels_without_a_list()
    {
        Put("n01_x.jpg", "n02_y.jpg");
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        Assert.Empty(images.Classes);
        Assert.All(images.Entries, file => Assert.Null(file.Label));
    }

    [Fact]
    public void File_name_prefixes_are_looked_up_in_the_list()
    {
        Put("n02_fish_2.jpg", "n01_x.jpg", "n02.jpg");
        ImageSet images = ImageSet.FromFolder(_folder.Root, Labels());
        Assert.Equal(["tench", "goldfish"], images.Classes);
        Assert.Equal([("n01_x.jpg", 0), ("n02.jpg", 1), ("n02_fish_2.jpg", 1)], images.Entries.Select(file => (file.Name, file.Label!.Value)));
    }

    [Fact]
    public void A_prefix_that_the_list_lacks_is_named()
    {
        Put("n01_x.jpg", "n09_y.jpg");
        LabelFile labels = Labels();
        ImageException exception = Assert.Throws<ImageException>(() => ImageSet.FromFolder(_folder.Root, labels));
        Assert.Equal($"{_folder.Root}: n09_y.jpg: the prefix 'n09' is not in {labels.Path}", exception.Message);
    }

    [Fact]
    public void Folders_without_images_are_refused_in_one_line()
    {
        string none = Path.Combine(_folder.Root, "none"), text = _folder.Put("only/text.txt", "text"u8);
        Assert.Equal($"{none}: there is no such folder", Refusal(none));
        Assert.Equal($"{text}: expected a folder of images, found a file", Refusal(text));
        Assert.Equal($"{Path.GetDirectoryName(text)}: expected JPEG, PNG, WebP, BMP or TIFF images, found files that are no images: 1 (text.txt)", Refusal(Path.GetDirectoryName(text)!));
        string empty = Directory.CreateDirectory(Path.Combine(_folder.Root, "empty")).FullName;
        Assert.Equal($"{empty}: expected JPEG, PNG, WebP, BMP or TIFF images, found an empty folder", Refusal(empty));

        static string Refusal(string path) => Assert.Throws<ImageException>(() => ImageSet.FromFolder(path)).Message;
    }

    [Fact]
    public void A_sample_is_seeded_without_repetition_and_in_the_folders_order()
    {
        Put([.. Enumerable.Range(0, 50).Select(i => $"{i:D2}.jpg")]);
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        IReadOnlyList<ImageEntry> sample = images.Sample(20, seed: 4).Entries;
        Assert.Equal(20, sample.Distinct().Count());
        Assert.Equal(sample.OrderBy(entry => entry.Name, StringComparer.Ordinal), sample);
        Assert.Equal(sample, images.Sample(20, seed: 4).Entries);
        Assert.NotEqual(sample, images.Sample(20, seed: 5).Entries);
        Assert.Subset(images.Sample(30, seed: 4).Entries.ToHashSet(), sample.ToHashSet());
        Assert.Equal(images.Entries, images.Sample(1000, seed: 4).Entries);
        Assert.Throws<ArgumentOutOfRangeException>(() => images.Sample(0, seed: 4));
    }

    [Fact]
    public void A_part_of_a_set_keeps_source_labels_and_classes()
    {
        Put("a/1.jpg", "a/2.jpg", "b/1.jpg");
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        foreach (ImageSet part in new[] { images.Where(entry => entry.Name == "b/1.jpg"), images.Sample(1, seed: 1) })
        {
            Assert.Equal(images.Source, part.Source);
            Assert.Equal(images.Classes, part.Classes);
            Assert.Contains(Assert.Single(part.Entries), images.Entries);
        }

        Assert.Equal($"{_folder.Root}: expected images that are left after the choice, found none", Assert.Throws<ImageException>(() => images.Where(_ => false)).Message);
    }

    [Fact]
    public void An_image_is_the_same_from_a_file_from_bytes_and_from_a_stream()
    {
        RgbImage image = TemporaryImages.Random(12, 9);
        byte[] bytes = TemporaryImages.Encode(image, SkiaSharp.SKEncodedImageFormat.Png);
        ImageSet set = new("three kinds", [
            ImageEntry.FromFile(_folder.Put("a.png", bytes), "file", 1),
            ImageEntry.FromBytes("bytes", bytes.AsMemory(), 0),
            ImageEntry.FromStream("stream", bytes.Length, () => new UnseekableStream(bytes), location: "archive.tar/stream")]);
        Assert.Equal(["file", "bytes", "stream"], Names(set));
        Assert.Equal([1, 0, null], set.Entries.Select(entry => entry.Label));
        Assert.Equal([Path.Combine(_folder.Root, "a.png"), "bytes", "archive.tar/stream"], set.Entries.Select(entry => entry.Location));
        Assert.False(set.IsLabelled);
        foreach (ImageEntry entry in set.Entries)
        {
            Assert.Equal(bytes.Length, entry.Length);
            Assert.Equal(image.Pixels, entry.Decode().Pixels);
            Assert.Equal(image.Pixels, entry.Decode().Pixels);
        }
    }

    [Fact]
    public void Bytes_in_the_middle_of_an_array_are_read_from_their_start_to_their_end()
    {
        byte[] bytes = TemporaryImages.Encode(TemporaryImages.Random(5, 5), SkiaSharp.SKEncodedImageFormat.Png);
        ImageEntry entry = ImageEntry.FromBytes("x", new Memory<byte>([1, 2, 3, .. bytes, 4, 5], 3, bytes.Length));
        Assert.Equal(TemporaryImages.Random(5, 5).Pixels, entry.Decode().Pixels);
        using Stream stream = entry.Open();
        Assert.Equal(bytes.Length, stream.Length);
        Assert.False(stream.CanWrite);
    }

    [Fact]
    public void The_set_of_a_list_of_files_keeps_their_order_and_names_them_as_given()
    {
        string[] paths = [_folder.Put("z.jpg", "x"u8), _folder.Put("a/y.dat", "xx"u8)];
        ImageSet set = ImageSet.FromFiles(paths);
        Assert.Equal(paths, Names(set));
        Assert.Equal([1, 2], set.Entries.Select(entry => entry.Length));
        Assert.Empty(set.Classes);
    }

    [Fact]
    public void A_set_without_images_with_equal_names_or_with_labels_of_no_class_is_refused()
    {
        ImageEntry one = ImageEntry.FromBytes("one", default, 1);
        Assert.Equal("mine: expected at least one image, found none", Refusal());
        Assert.Equal("mine: expected a name of its own for every image, found one twice", Refusal(one, ImageEntry.FromBytes("one", default)));
        Assert.Equal("mine: two: expected a label of 0 or more and below 2, found 2", Refusal(one, ImageEntry.FromBytes("two", default, 2)));
        Assert.Equal("mine: two: expected a label of 0 or more and below 2, found -1", Refusal(one, ImageEntry.FromBytes("two", default, -1)));

        static string Refusal(params ImageEntry[] entries) => Assert.Throws<ImageException>(() => new ImageSet("mine", entries, ["a", "b"])).Message;
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
        Assert.Equal(before, ImageSet.FromFolder(copy.Root).Hash());
        copy.Put("b.jpg", "xx"u8);
        Assert.NotEqual(before, ImageSet.FromFolder(copy.Root).Hash());
        Put("c.jpg");
        Assert.NotEqual(before, Hash());

        string Hash() => ImageSet.FromFolder(_folder.Root).Hash();
    }

    private void Put(params string[] names)
    {
        foreach (string name in names)
        {
            _folder.Put(name, "x"u8);
        }
    }

    private LabelFile Labels() => LabelFile.Read(_folder.Put("labels.txt", "n01 tench\nn02 goldfish\n"u8));

    private static IEnumerable<string> Names(ImageSet images) => images.Entries.Select(file => file.Name);

    /// <summary>A stream of unknown length that can only be read forwards, as those of archives are.</summary>
    private sealed class UnseekableStream(byte[] bytes) : MemoryStream(bytes, writable: false)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();
    }
}
