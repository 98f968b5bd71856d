using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using SkiaSharp;
using SnapViT.Data;
using SnapViT.Data.Sources;

namespace SnapViT.Tests.Data.Sources;

/// <summary>ImageNet-1k in the archives that its authors publish, whose classes the development kit tells.</summary>
public sealed class ImageNetTests : IDisposable
{
    private const string Kit = "ILSVRC2012_devkit_t12/data/";

    private static readonly byte[] Photo = TemporaryImages.Encode(TemporaryImages.Random(8, 8), SKEncodedImageFormat.Jpeg);

    /// <summary>Numbers of the kit are in another order than the identifiers; the last synset is no class, for it has children.</summary>
    private static readonly (int Id, string Name, int Children)[] Synsets = [(1, "n02119789", 0), (2, "n01440764", 0), (3, "n02100735", 0), (4, "n00001740", 7)];
    private static readonly string[] Sorted = ["n01440764", "n02100735", "n02119789"];

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Archives_of_archives_and_the_kit_are_read_in_place(bool compressed)
    {
        PutArchives(Meta(compressed), "2\n3\n1\n");
        ImageSet train = ImageSet.Open(_folder.Root, withLabels: true);
        Assert.Equal(Sorted, train.Classes);
        Assert.Equal(["n01440764/n01440764_1.JPEG", "n01440764/n01440764_2.JPEG", "n02100735/n02100735_9.JPEG", "n02119789/n02119789_5.JPEG"], Names(train));
        Assert.Equal([0, 0, 1, 2], Labels(train));
        Assert.Equal(8, train.Entries[3].Decode().Width);
        ImageSet val = ImageSource.Images(_folder.Root, SplitUse.Test, labels: true);
        Assert.Equal(Sorted, val.Classes);
        Assert.Equal([0, 1, 2], Labels(val));
        Assert.Equal([0, 1, 2], Labels(ImageSet.Open(Path.Combine(_folder.Root, "ILSVRC2012_img_val.tar"), withLabels: true)));
        Assert.Equal(train.Hash(), ImageSet.Open(Path.Combine(_folder.Root, "ILSVRC2012_img_train.tar")).Hash());
    }

    [Fact]
    public void Photos_that_were_unpacked_are_told_by_the_kit_beside_them_or_by_the_solution()
    {
        for (int i = 1; i <= 3; i++)
        {
            _folder.Put($"kit/val/ILSVRC2012_val_{i:D8}.JPEG", Photo);
            _folder.Put($"kaggle/val/ILSVRC2012_val_{i:D8}.JPEG", Photo);
        }

        _folder.Put("kaggle/train/n01440764/n01440764_1.JPEG", Photo);
        _folder.Put("kaggle/LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000003,n01440764 85 1 499 272\nILSVRC2012_val_00000001,n02100735 1 2 3 4 n02100735 5 6 7 8\n"u8);
        _folder.Put("kit/meta.mat", Meta(compressed: true));
        _folder.Put("kit/ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n"u8);
        Assert.Equal([2, 0, 1], Labels(ImageSource.Images(Path.Combine(_folder.Root, "kit"), SplitUse.Test, labels: true)));
        Assert.Equal([2, 0, 1], Labels(ImageSet.Open(Path.Combine(_folder.Root, "kit", "val"), withLabels: true)));
        string kaggle = Path.Combine(_folder.Root, "kaggle");
        Assert.Equal("train, val", ImageSource.Open(kaggle).Names);
        Assert.Equal([1, null, 0], ImageSource.Images(kaggle, SplitUse.Test, labels: true).Entries.Select(entry => entry.Label));
    }

    [Fact]
    public void Labels_are_not_read_where_they_are_not_needed()
    {
        PutArchives("no such file"u8.ToArray(), "nonsense");
        Assert.Equal(3, ImageSet.Open($"{_folder.Root}#val").Count);
        Assert.Contains("meta.mat: expected a MATLAB file of level 5", Fault(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2\n4\n1\n", "line 2: expected a class of 1 to 3, found '4'")]
    [InlineData("2\ncat\n1\n", "line 2: expected a class of 1 to 3, found 'cat'")]
    public void Numbers_of_no_class_are_refused(string truth, string fault)
    {
        PutArchives(Meta(compressed: false), truth);
        Assert.Contains(fault, Fault(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_that_is_cut_short_or_damaged_is_refused()
    {
        byte[] whole = Meta(compressed: false);
        for (int length = 0; length < whole.Length - 8; length += 13)
        {
            Assert.ThrowsAny<InvalidDataException>(() => MatFile.ReadStructs(whole[..length], "synsets"));
        }

        for (int at = 128; at < whole.Length; at++)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x41;
            try
            {
                MatFile.ReadStructs(damaged, "synsets");
            }
            catch (InvalidDataException)
            {
                // Refused is as good as read.
            }
        }
    }

    [Fact]
    public void Archives_without_their_kit_have_no_classes()
    {
        _folder.Put("ILSVRC2012_img_val.tar", Archives.Tar(("ILSVRC2012_val_00000001.JPEG", Photo)));
        Assert.Contains("expected ILSVRC2012_devkit_t12.tar.gz", Fault(), StringComparison.Ordinal);
    }

    private string Fault() => Assert.Throws<ImageException>(() => ImageSource.Images(_folder.Root, SplitUse.Test, labels: true)).Message;

    private void PutArchives(byte[] meta, string truth)
    {
        _folder.Put("ILSVRC2012_img_train.tar", Archives.Tar(
            ("n02119789.tar", Archives.Tar(("n02119789_5.JPEG", Photo))),
            ("n01440764.tar", Archives.Tar(("n01440764_2.JPEG", Photo), ("n01440764_1.JPEG", Photo))),
            ("n02100735.tar", Archives.Tar(("n02100735_9.JPEG", Photo)))));
        _folder.Put("ILSVRC2012_img_val.tar", Archives.Tar([.. Enumerable.Range(1, 3).Select(i => ($"ILSVRC2012_val_{i:D8}.JPEG", Photo))]));
        _folder.Put("ILSVRC2012_devkit_t12.tar.gz", Archives.Gzip(Archives.Tar(
            (Kit + "meta.mat", meta), (Kit + "ILSVRC2012_validation_ground_truth.txt", Archives.Text(truth)), ("ILSVRC2012_devkit_t12/readme.txt", [1]))));
    }

    private static IEnumerable<string> Names(ImageSet images) => images.Entries.Select(entry => entry.Name);

    private static IEnumerable<int> Labels(ImageSet images) => images.Entries.Select(entry => entry.Label!.Value);

    /// <summary>The table <c>synsets</c> as MATLAB writes it.</summary>
    private static byte[] Meta(bool compressed)
    {
        string[] fields = ["ILSVRC2012_ID", "WNID", "words", "num_children"];
        byte[] names = [.. fields.SelectMany(field => Encoding.ASCII.GetBytes(field.PadRight(16, '\0')))];
        byte[] table = Matrix(2, [Synsets.Length, 1], "synsets", [
            .. Element(5, [16, 0, 0, 0]), .. Element(1, names),
            .. Synsets.SelectMany(row => (byte[])[
                .. Matrix(6, [1, 1], "", Element(2, [(byte)row.Id])),
                .. Matrix(4, [1, row.Name.Length], "", Element(4, Encoding.Unicode.GetBytes(row.Name))),
                .. Matrix(4, [1, 3], "", Element(16, "dog"u8.ToArray())),
                .. Matrix(6, [1, 1], "", Element(9, BitConverter.GetBytes((double)row.Children))),
            ]),
        ]);
        byte[] header = new byte[128];
        "MATLAB 5.0 MAT-file, Platform: GLNXA64"u8.CopyTo(header);
        (header[124], header[125], header[126], header[127]) = (0, 1, (byte)'I', (byte)'M');
        byte[] other = Matrix(6, [1, 1], "version", Element(2, [7]));
        return compressed ? [.. header, .. Deflated(other), .. Deflated(table)] : [.. header, .. other, .. table];
    }

    private static byte[] Matrix(int kind, int[] sizes, string name, byte[] content) => Element(14,
    [
        .. Element(6, [(byte)kind, 0, 0, 0, 0, 0, 0, 0]),
        .. Element(5, [.. sizes.SelectMany(BitConverter.GetBytes)]),
        .. Element(1, Encoding.ASCII.GetBytes(name)),
        .. content,
    ]);

    private static byte[] Element(int type, byte[] data)
    {
        if (type != 14 && data.Length is > 0 and <= 4)
        {
            return [.. BitConverter.GetBytes((data.Length << 16) | type), .. data, .. new byte[4 - data.Length]];
        }

        byte[] tag = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(tag, type);
        BinaryPrimitives.WriteInt32LittleEndian(tag.AsSpan(4), data.Length);
        return [.. tag, .. data, .. new byte[(8 - (data.Length % 8)) % 8]];
    }

    private static byte[] Deflated(byte[] element)
    {
        using MemoryStream bytes = new();
        using (ZLibStream writer = new(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            writer.Write(element);
        }

        byte[] tag = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(tag, 15);
        BinaryPrimitives.WriteInt32LittleEndian(tag.AsSpan(4), (int)bytes.Length);
        return [.. tag, .. bytes.ToArray()];
    }
}
