using SnapViT.Core.Checkpoints;
using SnapViT.Tests;

namespace SnapViT.Core.Tests;

public sealed class GoldenSetTests
{
    /// <summary>What a tensor is called of which digests of the rows of an image travel.</summary>
    private const string Rows = ".rows";

    private static string[] Files =>
    [
        .. Directory.EnumerateFiles(GoldenSet.Root, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(GoldenSet.Root, path)),
    ];

    [Fact]
    public void The_set_holds_every_family_and_every_stage()
    {
        Assert.All(GoldenFamily.All, family => Assert.Contains(Path.Combine("golden", family, "model.safetensors"), Files));
        Assert.Equal(
            (HashSet<string?>)[.. GoldenFamily.All.Select(row => row.Data), "cka", "knn", "linear_probe", "pca", "preprocess", "prune_run", "sparsegpt_unit", "xnes"],
            Directory.EnumerateDirectories(Path.Combine(GoldenSet.Root, "golden")).Select(Path.GetFileName).ToHashSet());
        Assert.Equal(10, Directory.EnumerateFiles(Path.Combine(GoldenSet.Root, "official", "scores", "imagenet-1k")).Count());
    }

    // The originals are compared where they lie beside the checkout; what travels was packed with its SHA-256, which unpacking checks.
    [Fact]
    public void Every_number_that_travels_is_finite_and_the_original_s_bit_by_bit()
    {
        foreach (string file in Files)
        {
            string travelling = Path.Combine(GoldenSet.Root, file), original = Path.Combine(SharedFolder.Beside ?? "", file);
            if (!file.EndsWith(".safetensors", StringComparison.Ordinal))
            {
                byte[] content = File.ReadAllBytes(travelling);
                Assert.NotEmpty(content);
                Assert.Equal(File.Exists(original) ? File.ReadAllBytes(original) : content, content);
                continue;
            }

            using SafetensorsReader found = SafetensorsReader.Open(travelling);
            using SafetensorsReader? expected = File.Exists(original) ? SafetensorsReader.Open(original) : null;
            Assert.Equal(expected?.Metadata ?? found.Metadata, found.Metadata);
            Assert.All(found.Tensors.Values, tensor =>
            {
                double[] numbers = tensor.Type is TensorType.Float32 or TensorType.Float64 ? found.ReadDoubles(tensor.Name) : [];
                Assert.True(numbers.All(double.IsFinite), $"{file}: {tensor.Name}");
                if (expected is not null && tensor.Name.EndsWith(Rows, StringComparison.Ordinal))
                {
                    Assert.Equal(Digests(expected, tensor.Name[..^Rows.Length]), found.ReadLongs(tensor.Name));
                }
                else if (expected is not null)
                {
                    Assert.Equal(expected.Tensors[tensor.Name].ToString(), tensor.ToString());
                    Assert.True(Bytes(expected, tensor.Name).AsSpan().SequenceEqual(Bytes(found, tensor.Name)), $"{file}: {tensor.Name}");
                }
            });
        }
    }

    [Fact]
    public void Packed_files_are_read_back_and_what_is_the_same_is_stored_once()
    {
        byte[] floats = [.. Enumerable.Range(-50, 100).SelectMany(i => BitConverter.GetBytes(MathF.Tan(i) * 1e-30f))];
        byte[] doubles = [.. Enumerable.Range(-50, 100).SelectMany(i => BitConverter.GetBytes(Math.Exp(i) * (i % 2)))];
        GoldenFile first = new("a/one", [new([7, 255, 0], 1), new(floats, 4), new([], 8), new(doubles, 8)]);
        GoldenFile second = new("b", [new(floats, 1), new(doubles, 8), new([1], 1)]);
        Dictionary<string, (string Path, int Segment)> known = [];
        using MemoryStream one = Packed(first, known), two = Packed(second, known);
        Assert.True(two.Length < 200, $"{two.Length} bytes");
        Dictionary<string, GoldenFile> read = [];
        GoldenPack.Read(one, read);
        GoldenPack.Read(two, read);
        Assert.Equal(first.Content, read["a/one"].Content);
        Assert.Equal(second.Content, read["b"].Content);
    }

    [Fact]
    public void A_pack_that_was_changed_or_cut_is_refused()
    {
        byte[] random = new byte[4000];
        new Random(1).NextBytes(random);
        using MemoryStream pack = Packed(new("a", [new(random, 4)]), []);
        byte[] changed = pack.ToArray();
        changed[2000] ^= 1;
        Assert.ThrowsAny<Exception>(() => GoldenPack.Read(new MemoryStream(changed), []));
        Assert.ThrowsAny<Exception>(() => GoldenPack.Read(new MemoryStream(pack.ToArray()[..2000]), []));
    }

    private static MemoryStream Packed(GoldenFile file, Dictionary<string, (string Path, int Segment)> known)
    {
        MemoryStream pack = new();
        GoldenPack.Write(pack, [file], known);
        pack.Position = 0;
        return pack;
    }

    private static byte[] Bytes(SafetensorsReader reader, string name)
    {
        byte[] bytes = new byte[reader.Tensors[name].ByteLength];
        reader.Read(name, bytes);
        return bytes;
    }

    /// <summary>Digests of an image of bytes, [height, width, 3] or [3, height, width].</summary>
    private static long[] Digests(SafetensorsReader reader, string name)
    {
        byte[] bytes = Bytes(reader, name);
        int[] shape = [.. reader.Tensors[name].Shape.Select(size => (int)size)];
        return shape[0] == 3
            ? GoldenSet.RowDigests(Interleaved(bytes), shape[1])
            : GoldenSet.RowDigests(bytes, shape[0]);

        static byte[] Interleaved(byte[] planes) => [.. Enumerable.Range(0, planes.Length).Select(i => planes[(i % 3 * planes.Length / 3) + (i / 3)])];
    }
}
