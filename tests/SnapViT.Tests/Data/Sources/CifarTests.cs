using System.Text;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>CIFAR-10 and CIFAR-100 in the archives that their authors publish, in both forms.</summary>
public sealed class CifarTests : IDisposable
{
    private const int Each = 5;

    private static readonly string[] Names10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    private static readonly string[] Names100 = [.. Enumerable.Range(0, 100).Select(i => $"fine_{i:D2}")];

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Both_forms_of_CIFAR_10_give_the_same_images_and_labels_with_their_splits()
    {
        string binary = _folder.Put("cifar-10-binary.tar.gz", Archives.Gzip(Archives.Tar(Binary10())));
        string python = _folder.Put("cifar-10-python.tar.gz", Archives.Gzip(Archives.Tar(Python10())));
        foreach ((string split, int count) in new[] { ("train", 5 * Each), ("test", Each) })
        {
            ImageSet first = ImageSet.Open($"{binary}#{split}", withLabels: true), second = ImageSet.Open($"{python}#{split}", withLabels: true);
            Assert.Equal(count, first.Count);
            Assert.Equal(Names10, first.Classes);
            Assert.Equal(first.Classes, second.Classes);
            Assert.Equal(first.Entries.Select(entry => (entry.Name, entry.Label)), second.Entries.Select(entry => (entry.Name, entry.Label)));
            Assert.All(first.Entries.Zip(second.Entries), pair => Assert.Equal(pair.First.Decode().Pixels, pair.Second.Decode().Pixels));
        }

        ImageEntry image = ImageSet.Open(binary, withLabels: true).Entries[(2 * Each) + 3];
        Assert.Equal("data_batch_3/00003", image.Name);
        Assert.Equal(Label(3, 3), image.Label);
        Assert.Equal(Interleaved(Planes(3, 3)), image.Decode().Pixels);
    }

    [Fact]
    public void A_folder_that_was_unpacked_is_read_as_the_archive_is()
    {
        Array.ForEach(Python10(), file => _folder.Put(file.Name, file.Content));
        Array.ForEach(Binary10(), file => _folder.Put(file.Name, file.Content));
        Assert.Equal(5 * Each, ImageSet.Open(Path.Combine(_folder.Root, "cifar-10-batches-py")).Count);
        Assert.Equal(Each, ImageSource.Images(Path.Combine(_folder.Root, "cifar-10-batches-bin"), SplitUse.Test, labels: true).Count);
    }

    [Fact]
    public void CIFAR_100_has_its_fine_classes()
    {
        byte[][] planes = [.. Enumerable.Range(0, Each).Select(i => Planes(9, i))];
        int[] fine = [.. Enumerable.Range(0, Each).Select(i => i * 20)];
        byte[] records = [.. planes.SelectMany((image, i) => (byte[])[(byte)(i % 20), (byte)fine[i], .. image])];
        string binary = _folder.Put("cifar-100-binary.tar.gz", Archives.Gzip(Archives.Tar(
            ("cifar-100-binary/train.bin", records), ("cifar-100-binary/test.bin", records),
            ("cifar-100-binary/fine_label_names.txt", Archives.Text(string.Join('\n', Names100) + "\n")),
            ("cifar-100-binary/coarse_label_names.txt", Archives.Text("x\n")))));
        byte[] batch = PythonPickle.Dictionary(
            ("filenames", fine.Select(i => $"{i}.png")), ("batch_label", "training batch 1 of 1"), ("fine_labels", fine),
            ("coarse_labels", fine.Select(i => i % 20)), ("data", planes));
        string python = _folder.Put("cifar-100-python.tar.gz", Archives.Gzip(Archives.Tar(
            ("cifar-100-python/train", batch), ("cifar-100-python/test", batch),
            ("cifar-100-python/meta", PythonPickle.Dictionary(("fine_label_names", Names100), ("coarse_label_names", Names100.Take(20)))))));
        foreach (string path in new[] { binary, python })
        {
            ImageSet images = ImageSet.Open($"{path}#test", withLabels: true);
            Assert.Equal(Names100, images.Classes);
            Assert.Equal(fine, images.Entries.Select(entry => entry.Label!.Value));
            Assert.Equal(Interleaved(planes[4]), images.Entries[4].Decode().Pixels);
        }
    }

    [Fact]
    public void Labels_are_not_read_where_they_are_not_needed()
    {
        (string, byte[])[] wrong = [.. Binary10().Select(file =>
            file.Name.EndsWith(".bin", StringComparison.Ordinal) ? (file.Name, [99, .. file.Content.Skip(1)]) : (file.Name, "\0"u8.ToArray()))];
        string path = _folder.Put("wrong.tar", Archives.Tar(wrong));
        Assert.All(ImageSet.Open(path).Entries, entry => Assert.Null(entry.Label));
        Assert.Contains("image 0: expected a label below 1, found 99", Fault(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_are_cut_short_or_of_other_records_are_refused_by_their_names()
    {
        (string Name, byte[] Content)[] files = Binary10();
        files[2].Content = files[2].Content[..^1];
        Assert.Contains("data_batch_3.bin: expected records of 3073 bytes", Fault(_folder.Put("short.tar", Archives.Tar(files))), StringComparison.Ordinal);
        (string Name, byte[] Content)[] pickles = Python10();
        pickles[1].Content = pickles[1].Content[..^200];
        Assert.Contains("cut off or damaged", Fault(_folder.Put("short-py.tar", Archives.Tar(pickles))), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_that_are_too_few_or_of_no_class_are_refused()
    {
        Assert.Contains("expected 5 labels, found 4", Fault(Python("labels", new[] { 1, 2, 3, 4 })), StringComparison.Ordinal);
        Assert.Contains("image 1: expected a label below 10, found 10", Fault(Python("labels", new[] { 1, 10, 3, 4, 5 })), StringComparison.Ordinal);
        Assert.Contains("expected a list 'labels' in the pickle", Fault(Python("tags", new[] { 1, 2, 3, 4, 5 })), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pickle_that_would_run_something_is_refused_and_runs_nothing()
    {
        (string Name, byte[] Content)[] files = Python10();
        files[0].Content = Archives.Text("\u0080\u0002cos\nsystem\nU\u0002ls\u0085R.").Where(value => value != 0xc2).ToArray();
        Assert.Contains("refused the global 'os.system'", Fault(_folder.Put("evil.tar", Archives.Tar(files))), StringComparison.Ordinal);
        files[0].Content = [.. Encoding.Latin1.GetBytes("\u0080\u0002cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\nK\u0000\u0085U\u0001b\u0087R.")];
        Assert.Contains("os", Fault(_folder.Put("evil2.tar", Archives.Tar(files))), StringComparison.Ordinal);
    }

    private static string Fault(string path) => Assert.Throws<ImageException>(() => ImageSet.Open(path, withLabels: true)).Message;

    private string Python(string key, int[] labels) => _folder.Put("labels.tar", Archives.Tar(
        ("batches.meta", PythonPickle.Dictionary(("label_names", Names10))),
        ("data_batch_1", PythonPickle.Dictionary(("data", Enumerable.Range(0, Each).Select(i => Planes(1, i)).ToArray()), (key, labels)))));

    private static int Label(int batch, int image) => (batch + (image * 3)) % 10;

    private static byte[] Planes(int batch, int image) =>
        [.. Enumerable.Range(0, 3072).Select(i => (byte)((i * (batch + 3)) ^ (image * 31) ^ (i >> 5)))];

    private static byte[] Interleaved(byte[] planes) =>
        [.. Enumerable.Range(0, 1024).SelectMany(i => new[] { planes[i], planes[1024 + i], planes[2048 + i] })];

    private static (string Name, byte[] Content)[] Binary10() =>
    [
        .. Enumerable.Range(1, 6).Select(batch => ($"cifar-10-batches-bin/{(batch == 6 ? "test_batch" : $"data_batch_{batch}")}.bin",
            (byte[])[.. Enumerable.Range(0, Each).SelectMany(i => (byte[])[(byte)Label(batch, i), .. Planes(batch, i)])])),
        ("cifar-10-batches-bin/batches.meta.txt", Archives.Text(string.Join('\n', Names10) + "\n\n")),
        ("cifar-10-batches-bin/readme.html", Archives.Text("<html></html>")),
    ];

    private static (string Name, byte[] Content)[] Python10() =>
    [
        .. Enumerable.Range(1, 6).Select(batch => ($"cifar-10-batches-py/{(batch == 6 ? "test_batch" : $"data_batch_{batch}")}",
            PythonPickle.Dictionary(
                ("batch_label", $"training batch {batch} of 5"),
                ("labels", Enumerable.Range(0, Each).Select(i => Label(batch, i))),
                ("data", Enumerable.Range(0, Each).Select(i => Planes(batch, i)).ToArray()),
                ("filenames", Enumerable.Range(0, Each).Select(i => $"camion_s_{i:D6}.png"))))),
        ("cifar-10-batches-py/batches.meta", PythonPickle.Dictionary(("num_cases_per_batch", Each), ("label_names", Names10), ("num_vis", 3072))),
        ("cifar-10-batches-py/readme.html", Archives.Text("<html></html>")),
    ];
}
