using SkiaSharp;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>DTD, FGVC-Aircraft, Oxford-IIIT Pets and Caltech-101 in their own layouts, as folders and as archives.</summary>
public sealed class PublishedSetsTests : IDisposable
{
    private static readonly byte[] Photo = TemporaryImages.Encode(TemporaryImages.Random(8, 8), SKEncodedImageFormat.Jpeg);

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DTD_has_ten_partitions_of_three_splits()
    {
        (string, byte[])[] files =
        [
            .. new[] { "banded", "blotchy", "zigzagged" }.SelectMany(name =>
                Enumerable.Range(0, 3).Select(i => ($"dtd/images/{name}/{name}_{i:D4}.jpg", Photo))),
            .. Enumerable.Range(1, 10).SelectMany(part => new[] { "train", "val", "test" }.Select((split, i) => (
                $"dtd/labels/{split}{part}.txt",
                Archives.Text($"banded/banded_{(part + i) % 3:D4}.jpg\nblotchy/blotchy_{(part + i) % 3:D4}.jpg\nzigzagged/zigzagged_{(part + i) % 3:D4}.jpg\n")))),
            ("dtd/imdb/imdb.mat", [1, 2]),
        ];
        string archive = _folder.Put("dtd-r1.0.1.tar.gz", Archives.Gzip(Archives.Tar(files)));
        ImageData data = ImageSource.Open(archive);
        Assert.Equal("DTD", data.Format);
        Assert.Equal(30, data.Splits.Count);
        ImageSet train = ImageSet.Open(archive, withLabels: true);
        Assert.Equal(["banded/banded_0001.jpg", "blotchy/blotchy_0001.jpg", "zigzagged/zigzagged_0001.jpg"], Names(train));
        Assert.Equal([0, 1, 2], Labels(train));
        Assert.Equal(["banded", "blotchy", "zigzagged"], train.Classes);
        Assert.Equal("banded/banded_0000.jpg", ImageSet.Open($"{archive}#test10").Entries[0].Name);
        Assert.Equal(8, train.Entries[0].Decode().Width);
        Write(files);
        Assert.Equal(train.Hash(), ImageSet.Open(Path.Combine(_folder.Root, "dtd"), withLabels: true).Hash());
    }

    [Fact]
    public void A_list_that_names_photos_that_are_not_there_is_told()
    {
        (string, byte[])[] photos = [.. Enumerable.Range(0, 19).Select(i => ($"images/a/a_{i}.jpg", Photo))];
        string list = string.Concat(Enumerable.Range(0, 20).Select(i => $"a/a_{i}.jpg\n"));
        Write([.. photos, ("labels/train1.txt", Archives.Text(list))]);
        LeftOut missing = Assert.Single(ImageSet.Open(_folder.Root).LeftOut);
        Assert.Equal((LeftOutKind.Missing, 1, "a/a_19.jpg"), (missing.Kind, missing.Count, missing.Example));
        Write([("labels/train1.txt", Archives.Text(list + "b/b_1.jpg\na/A_3.jpg\n"))]);
        Assert.Contains("found 3 of 22 missing", Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Root)).Message, StringComparison.Ordinal);
        Write([("labels/train1.txt", Archives.Text(list + "b/b_1.jpg\n"))]);
        Assert.Contains(
            "expected one of 1 classes, found 'b'",
            Assert.Throws<ImageException>(() => ImageSet.Open(_folder.Root, withLabels: true)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Aircraft_have_variants_with_blanks_in_their_names()
    {
        (string, byte[])[] files =
        [
            .. Enumerable.Range(0, 6).Select(i => ($"fgvc-aircraft-2013b/data/images/{1025794 + i}.jpg", Photo)),
            .. new[] { "train", "val", "trainval", "test" }.Select((split, i) => (
                $"fgvc-aircraft-2013b/data/images_variant_{split}.txt", Archives.Text($"{1025794 + i} 707-320\n{1025795 + i} Eurofighter Typhoon\n"))),
            ("fgvc-aircraft-2013b/data/images_train.txt", Archives.Text("1025799\n")),
            ("fgvc-aircraft-2013b/data/variants.txt", Archives.Text("707-320\nBoeing 717\nEurofighter Typhoon\n")),
            ("fgvc-aircraft-2013b/evaluation.m", [1]),
        ];
        string archive = _folder.Put("fgvc-aircraft-2013b.tar.gz", Archives.Gzip(Archives.Tar(files)));
        ImageData data = ImageSource.Open(archive);
        Assert.Equal("train, val, trainval, test", data.Names);
        ImageSet test = ImageSource.Images(archive, SplitUse.Test, labels: true);
        Assert.Equal(["images/1025797.jpg", "images/1025798.jpg"], Names(test));
        Assert.Equal([0, 2], Labels(test));
        Assert.Equal(["images/1025799.jpg"], Names(ImageSet.Open(archive)));
        Write(files);
        _folder.Put("fgvc-aircraft-2013b/data/images_variant_test.txt", "1025794 Concord\n"u8);
        Assert.Contains(
            "expected one of 3 classes, found 'Concord'",
            Assert.Throws<ImageException>(() => ImageSource.Images(Path.Combine(_folder.Root, "fgvc-aircraft-2013b"), SplitUse.Test, labels: true)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Pets_are_read_from_their_two_archives_and_from_folders()
    {
        (string, byte[])[] images = [.. new[] { "Abyssinian_1", "Abyssinian_2", "great_pyrenees_10" }.Select(name => ($"images/{name}.jpg", Photo)), ("images/Abyssinian_1.mat", [1])];
        (string, byte[])[] lists =
        [
            ("annotations/list.txt", Archives.Text("#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n")),
            ("annotations/trainval.txt", Archives.Text("Abyssinian_1 1 1 1\ngreat_pyrenees_10 2 2 1\n")),
            ("annotations/test.txt", Archives.Text("Abyssinian_2 1 1 1\n")),
            ("annotations/trimaps/Abyssinian_1.png", Photo),
        ];
        _folder.Put("archives/images.tar.gz", Archives.Gzip(Archives.Tar(images)));
        _folder.Put("archives/annotations.tar.gz", Archives.Gzip(Archives.Tar(lists)));
        Write([.. images.Concat(lists).Select(file => ($"folders/{file.Item1}", file.Item2))]);
        foreach (string place in new[] { "archives", "folders" })
        {
            string path = Path.Combine(_folder.Root, place);
            Assert.Equal("Oxford-IIIT Pets", ImageSource.Open(path).Format);
            ImageSet train = ImageSet.Open(path, withLabels: true);
            Assert.Equal(["Abyssinian", "great_pyrenees"], train.Classes);
            Assert.Equal(["Abyssinian_1.jpg", "great_pyrenees_10.jpg"], Names(train));
            Assert.Equal([0, 1], Labels(train));
            Assert.Equal(["Abyssinian_2.jpg"], Names(ImageSource.Images(path, SplitUse.Test, labels: true)));
            Assert.Equal(8, train.Entries[1].Decode().Height);
        }

        _folder.Put("folders/annotations/trainval.txt", "Abyssinian_1 1 1 1\ngreat_pyrenees_10 1 2 1\n"u8);
        Assert.Contains(
            "great_pyrenees_10: expected class 1 to be Abyssinian",
            Assert.Throws<ImageException>(() => ImageSet.Open(Path.Combine(_folder.Root, "folders"), withLabels: true)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Caltech_is_read_from_the_archive_inside_its_zip_without_the_background()
    {
        byte[] objects = Archives.Gzip(Archives.Tar(
            ("101_ObjectCategories/BACKGROUND_Google/image_0001.jpg", Photo),
            ("101_ObjectCategories/Faces/image_0001.jpg", Photo),
            ("101_ObjectCategories/accordion/image_0001.jpg", Photo)));
        string zip = _folder.Put("caltech-101.zip", Archives.Zip(
            ("caltech-101/101_ObjectCategories.tar.gz", objects), ("caltech-101/Annotations.tar", Archives.Tar(("Annotations/a.mat", [1]))),
            ("__MACOSX/caltech-101/._Annotations.tar", [1])));
        string tar = _folder.Put("101_ObjectCategories.tar.gz", objects);
        foreach (string path in new[] { zip, tar })
        {
            ImageSet images = ImageSet.Open(path, withLabels: true);
            Assert.Equal(["Faces", "accordion"], images.Classes);
            Assert.Equal(["Faces/image_0001.jpg", "accordion/image_0001.jpg"], Names(images));
            Assert.Contains(images.LeftOut, row => row is { Kind: LeftOutKind.NoLabel, Count: 1 });
            Assert.Equal(8, images.Entries[0].Decode().Width);
        }
    }

    [Fact]
    public void EuroSAT_is_class_folders_in_a_zip_that_can_be_divided()
    {
        string zip = _folder.Put("EuroSAT.zip", Archives.Zip(
            [.. new[] { "AnnualCrop", "SeaLake" }.SelectMany(name => Enumerable.Range(1, 5).Select(i => ($"2750/{name}/{name}_{i}.jpg", Photo)))]));
        Assert.Equal(["AnnualCrop", "SeaLake"], ImageSet.Open(zip, withLabels: true).Classes);
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], Labels(ImageSet.Open($"{zip}#train")));
        Assert.Equal([0, 1], Labels(ImageSet.Open($"{zip}#test")));
    }

    private void Write((string Name, byte[] Content)[] files) => Array.ForEach(files, file => _folder.Put(file.Name, file.Content));

    private static IEnumerable<string> Names(ImageSet images) => images.Entries.Select(entry => entry.Name);

    private static IEnumerable<int> Labels(ImageSet images) => images.Entries.Select(entry => entry.Label!.Value);
}
