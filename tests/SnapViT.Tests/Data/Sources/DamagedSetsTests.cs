using SkiaSharp;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>
/// Every published data set in miniature, cut short, with files under other names, and with wrong labels: each is read as what is left of it, or
/// refused in one line that names the file.
/// </summary>
public sealed class DamagedSetsTests : IDisposable
{
    private static readonly byte[] Photo = TemporaryImages.Encode(TemporaryImages.Random(24, 24), SKEncodedImageFormat.Jpeg);

    private readonly TemporaryImages _folder = new();

    /// <summary>What of a set is changed.</summary>
    /// <param name="Files">The set.</param>
    /// <param name="IsZip">Whether it is published as a zip, else as a tar in gzip.</param>
    /// <param name="Photo">A photo that is renamed.</param>
    /// <param name="List">A list that is changed, and its new content; null for a set whose folders are its classes.</param>
    /// <param name="Fault">What is said of the list.</param>
    private sealed record Example(
        (string Name, byte[] Content)[] Files, bool IsZip, string Photo, (string Name, string Text)? List = null, string Fault = "");

    private static readonly Dictionary<string, Example> Examples = new()
    {
        ["DTD"] = new(
            [
                .. new[] { "banded", "dotted" }.SelectMany(name => Enumerable.Range(0, 2).Select(i => ($"dtd/images/{name}/{name}_{i:D4}.jpg", Photo))),
                ("dtd/labels/train1.txt", Archives.Text("banded/banded_0000.jpg\ndotted/dotted_0000.jpg\n")),
                ("dtd/labels/test1.txt", Archives.Text("banded/banded_0001.jpg\ndotted/dotted_0001.jpg\n")),
            ],
            false, "dtd/images/banded/banded_0000.jpg", ("dtd/labels/train1.txt", "banded/banded_0000.jpg\nmatted/banded_0000.jpg\n"),
            "train1.txt: expected one of 2 classes, found 'matted'"),
        ["FGVC-Aircraft"] = new(
            [
                .. Enumerable.Range(0, 3).Select(i => ($"fgvc-aircraft-2013b/data/images/{100 + i}.jpg", Photo)),
                ("fgvc-aircraft-2013b/data/images_variant_train.txt", Archives.Text("100 707-320\n101 DC-3\n")),
                ("fgvc-aircraft-2013b/data/images_variant_test.txt", Archives.Text("102 DC-3\n")),
                ("fgvc-aircraft-2013b/data/variants.txt", Archives.Text("707-320\nDC-3\n")),
            ],
            false, "fgvc-aircraft-2013b/data/images/101.jpg", ("fgvc-aircraft-2013b/data/images_variant_train.txt", "100 707-320\n101\n"),
            "images_variant_train.txt: expected one of 2 classes, found ''"),
        ["Oxford-IIIT Pets"] = new(
            [
                .. new[] { "Abyssinian_1", "pug_2", "pug_3" }.Select(name => ($"pets/images/{name}.jpg", Photo)),
                ("pets/annotations/trainval.txt", Archives.Text("Abyssinian_1 1 1 1\npug_2 2 2 1\n")),
                ("pets/annotations/test.txt", Archives.Text("pug_3 2 2 1\n")),
            ],
            false, "pets/images/pug_2.jpg", ("pets/annotations/trainval.txt", "Abyssinian_1 1 1 1\npug_2 zwei 2 1\n"),
            "trainval.txt: expected 'photo class ...' with a class from 1, found 'pug_2 zwei 2 1'"),
        ["Caltech-101"] = new(
            [
                ("101_ObjectCategories/BACKGROUND_Google/image_0001.jpg", Photo),
                ("101_ObjectCategories/Faces/image_0001.jpg", Photo),
                ("101_ObjectCategories/ant/image_0001.jpg", Photo),
            ],
            false, "101_ObjectCategories/ant/image_0001.jpg"),
        ["EuroSAT"] = new(
            [.. new[] { "AnnualCrop", "SeaLake" }.SelectMany(name => Enumerable.Range(1, 2).Select(i => ($"2750/{name}/{name}_{i}.jpg", Photo)))],
            true, "2750/SeaLake/SeaLake_1.jpg"),
    };

    public static TheoryData<string> Names => [.. Examples.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(Names))]
    public void An_archive_under_another_name_is_the_same_set(string name)
    {
        byte[] content = Packed(Examples[name]);
        ImageSet first = ImageSet.Open(_folder.Put(name.Replace(' ', '-') + (Examples[name].IsZip ? ".zip" : ".tar.gz"), content), withLabels: true);
        ImageSet other = ImageSet.Open(_folder.Put(Examples[name].IsZip ? "download.zip" : "download.tgz", content), withLabels: true);
        Assert.Equal(first.Hash(), other.Hash());
        Assert.Equal(first.Classes, other.Classes);
        Assert.Equal(first.Entries.Select(entry => entry.Label), other.Entries.Select(entry => entry.Label));
        Assert.All(other.Entries, entry => Assert.NotNull(entry.Label));
    }

    // At every tenth of its length: what was cut off is never taken for what is there.
    [Theory, MemberData(nameof(Names))]
    public void An_archive_that_is_cut_short_is_refused_by_its_name(string name)
    {
        byte[] whole = Packed(Examples[name]);
        for (int tenth = 1; tenth < 10; tenth++)
        {
            string path = _folder.Put(Examples[name].IsZip ? "cut.zip" : "cut.tar.gz", whole.AsSpan(0, whole.Length * tenth / 10));
            Exception exception = Assert.ThrowsAny<Exception>(() => ImageSet.Open(path, withLabels: true));
            Assert.True(exception is ImageException or InvalidDataException, exception.ToString());
            Assert.Contains("cut.", exception.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', exception.Message);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void A_photo_under_another_name_is_missing_in_its_list_or_stays_in_its_class(string name)
    {
        Example example = Examples[name];
        string renamed = Path.ChangeExtension(example.Photo, null) + "-copy.jpg";
        Write([.. example.Files.Select(file => file.Name == example.Photo ? (renamed, file.Content) : file)]);
        if (example.List is null)
        {
            ImageSet images = ImageSet.Open(Unpacked(name), withLabels: true);
            ImageEntry entry = Assert.Single(images.Entries, image => image.Name.EndsWith("-copy.jpg", StringComparison.Ordinal));
            Assert.Contains($"/{images.Classes[entry.Label!.Value]}/", renamed, StringComparison.Ordinal);
        }
        else
        {
            string fault = Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Root, withLabels: true)).Message;
            Assert.Contains("found 1 of 2 missing", fault, StringComparison.Ordinal);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void A_photo_that_is_cut_short_is_told_when_it_is_read(string name)
    {
        Example example = Examples[name];
        Write([.. example.Files.Select(file => file.Name == example.Photo ? (file.Name, file.Content[..^60]) : file)]);
        ImageSet images = ImageSet.Open(Unpacked(name), withLabels: true);
        string photo = Path.GetFileName(example.Photo), folder = Path.GetFileName(Path.GetDirectoryName(example.Photo)!);
        ImageEntry entry = Assert.Single(images.Entries, image => image.Location.EndsWith($"{folder}/{photo}", StringComparison.Ordinal));
        Assert.Contains(photo, Assert.Throws<ImageException>(() => entry.Decode()).Message, StringComparison.Ordinal);
        Assert.Equal(24, images.Entries.First(image => image != entry).Decode().Width);
    }

    [Theory]
    [InlineData("DTD")]
    [InlineData("FGVC-Aircraft")]
    [InlineData("Oxford-IIIT Pets")]
    public void A_wrong_label_is_refused_with_its_list_and_not_looked_at_where_labels_are_not_needed(string name)
    {
        Example example = Examples[name];
        Write(example.Files);
        _folder.Put(example.List!.Value.Name, Archives.Text(example.List.Value.Text));
        Assert.Contains(
            example.Fault, Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Root, withLabels: true)).Message, StringComparison.Ordinal);
        if (name != "DTD")
        {
            Assert.Equal(2, ImageSet.Open(_folder.Root).Count);
        }
    }

    // The folder of a class is its label: one more makes one class more, and a photo whose name says another class has that of its folder.
    [Fact]
    public void Folders_are_the_classes_whatever_photos_are_called()
    {
        Write(Examples["EuroSAT"].Files);
        _folder.Put("2750/SeaLake/AnnualCrop_9.jpg", Photo);
        ImageSet images = ImageSet.Open(Unpacked("EuroSAT"), withLabels: true);
        Assert.Equal([0, 0, 1, 1, 1], images.Entries.Select(entry => entry.Label!.Value));
        Directory.Move(Path.Combine(_folder.Root, "2750/SeaLake"), Path.Combine(_folder.Root, "2750/Meer"));
        Assert.Equal(["AnnualCrop", "Meer"], ImageSet.Open(Unpacked("EuroSAT"), withLabels: true).Classes);
    }

    [Fact]
    public void Without_its_lists_a_set_is_the_folders_that_are_left_of_it()
    {
        Write([.. Examples["DTD"].Files.Where(file => !file.Name.Contains("/labels/", StringComparison.Ordinal))]);
        ImageSet images = ImageSet.Open(Path.Combine(_folder.Root, "dtd", "images"), withLabels: true);
        Assert.Equal((4, "banded, dotted"), (images.Count, string.Join(", ", images.Classes)));
    }

    [Fact]
    public void Archives_of_ImageNet_that_are_cut_short_are_refused_by_their_names()
    {
        byte[] tar = Archives.Tar([.. Enumerable.Range(1, 3).Select(i => ($"ILSVRC2012_val_{i:D8}.JPEG", Photo))]);
        _folder.Put("ILSVRC2012_img_val.tar", tar.AsSpan(0, tar.Length / 2));
        string fault = Assert.Throws<ImageException>(() => ImageSource.Images(_folder.Root, SplitUse.Test, labels: false)).Message;
        Assert.Contains("ILSVRC2012_img_val.tar", fault, StringComparison.Ordinal);
        Assert.Contains("cut short", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Photos_of_ImageNet_under_other_names_are_in_no_solution()
    {
        _folder.Put("val/ILSVRC2012_val_00000001.JPEG", Photo);
        _folder.Put("val/renamed.JPEG", Photo);
        _folder.Put("train/n01440764/n01440764_1.JPEG", Photo);
        _folder.Put("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n01440764 1 2 3 4\n"u8);
        ImageSet images = ImageSource.Images(_folder.Root, SplitUse.Test, labels: true);
        Assert.Equal([0, null], images.Entries.Select(entry => entry.Label));
    }

    [Fact]
    public void Shards_under_other_names_are_read_each_alone()
    {
        byte[] shard = Archives.Tar(("1.cls", "1"u8.ToArray()), ("1.jpg", Photo));
        string path = _folder.Put("renamed.bin.tar", shard);
        Assert.Equal(1, Assert.Single(ImageSet.Open(path, withLabels: true).Entries).Label);
    }

    /// <summary>Where an unpacked set begins: the folders of EuroSAT's classes are in one more folder.</summary>
    private string Unpacked(string name) => name == "EuroSAT" ? Path.Combine(_folder.Root, "2750") : _folder.Root;

    private static byte[] Packed(Example example) => example.IsZip ? Archives.Zip(example.Files) : Archives.Gzip(Archives.Tar(example.Files));

    private void Write((string Name, byte[] Content)[] files) => Array.ForEach(files, file => _folder.Put(file.Name, file.Content));
}
