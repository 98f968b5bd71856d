using SnapViT.Core.Checkpoints;
using SnapViT.Tests;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class SafetensorsReaderTests : IDisposable
{
    private const string TwoTensors =
        """{"__metadata__":{"family":"x"},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Names_types_shapes_and_metadata_are_those_of_the_header_in_its_order()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of(TwoTensors, 7)));
        Assert.Equal(["b U8[3]", "a F16[2, 1]"], reader.Tensors.Values.Select(tensor => tensor.ToString()));
        Assert.Equal("x", Assert.Single(reader.Metadata, pair => pair.Key == "family").Value);
        Assert.Equal(_folder.File("a"), reader.Path);
    }

    [Fact]
    public void Values_are_read_from_their_own_place()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of(TwoTensors, 7)));
        byte[] a = new byte[4];
        byte[] b = new byte[3];
        reader.Read("a", a);
        reader.Read("b", b);
        Assert.Equal([0, 1, 2, 3], a);
        Assert.Equal([4, 5, 6], b);
    }

    [Fact]
    public void A_scalar_has_an_empty_shape_and_an_empty_tensor_no_bytes()
    {
        string header = """{"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},"s":{"dtype":"I16","shape":[],"data_offsets":[0,2]}}   """;
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of(header, 2)));
        Assert.Equal(1, reader.Tensors["s"].ElementCount);
        Assert.Equal([0x0100], reader.ReadLongs("s"));
        Assert.Empty(reader.ReadFloats("e"));
    }

    [Fact]
    public void A_header_without_tensors_is_a_file_without_tensors()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of("{}", 0)));
        Assert.Empty(reader.Tensors);
        Assert.Empty(reader.Metadata);
    }

    [Fact]
    public void An_unknown_name_and_a_wrong_destination_are_refused()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of(TwoTensors, 7)));
        KeyNotFoundException unknown = Assert.Throws<KeyNotFoundException>(() => reader.Read("c", new byte[1]));
        Assert.Equal($"{_folder.File("a")}: there is no tensor 'c' among 2", unknown.Message);
        ArgumentException length = Assert.Throws<ArgumentException>(() => reader.Read("a", new byte[5]));
        Assert.Contains("expected a destination of 4 bytes, found 5", length.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_directory_are_named()
    {
        FileNotFoundException missing = Assert.Throws<FileNotFoundException>(() => SafetensorsReader.Open(_folder.File("none")));
        Assert.Contains(_folder.File("none"), missing.Message, StringComparison.Ordinal);
        IOException directory = Assert.ThrowsAny<IOException>(() => SafetensorsReader.Open(_folder.Root));
        Assert.Equal($"cannot read {_folder.Root}: expected a file, found a directory", directory.Message);
    }

    [Fact]
    public void A_closed_reader_reads_no_more()
    {
        SafetensorsReader reader = SafetensorsReader.Open(_folder.Put("a", SafetensorsBytes.Of(TwoTensors, 7)));
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.Read("b", new byte[3]));
    }

    [Fact]
    public void A_file_cut_after_it_was_opened_is_reported()
    {
        string path = _folder.Put("a", SafetensorsBytes.Of(TwoTensors, 7));
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(stream.Length - 1);
        }

        Assert.Contains("end of the file", Assert.Throws<CheckpointFormatException>(() => reader.Read("b", new byte[3])).Message, StringComparison.Ordinal);
    }

    // golden/timm_vit/model.safetensors: state dict of the reference's timm miniature (4 blocks, D 48, H 192, 4 heads), listed in golden/README.md.
    [Fact]
    public void The_golden_model_has_the_tensors_its_description_lists()
    {
        using SafetensorsReader reader = SafetensorsReader.Open(SharedFolder.Require("golden", "timm_vit", "model.safetensors"));
        Assert.Equal("timm_vit", reader.Metadata["family"]);
        Assert.Equal("cls_token F32[1, 1, 48]", reader.Tensors.Values.First().ToString());
        Assert.Equal("blocks.3.mlp.fc1.weight F32[192, 48]", reader.Tensors["blocks.3.mlp.fc1.weight"].ToString());
        Assert.All(reader.Tensors.Keys, name => Assert.All(reader.ReadDoubles(name), value => Assert.True(double.IsFinite(value))));
        Assert.Equal(reader.ReadFloats("norm.weight").Select(value => (double)value), reader.ReadDoubles("norm.weight"));
    }

    // Golden files of which every tensor travels, the models among them, are as the official safetensors library wrote them.
    [Fact]
    public void Every_golden_file_opens()
    {
        string[] files = Directory.GetFiles(SharedFolder.Require("golden"), "*.safetensors", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        Assert.All(files, file =>
        {
            using SafetensorsReader reader = SafetensorsReader.Open(file);
            Assert.NotEmpty(reader.Tensors);
        });
    }
}
