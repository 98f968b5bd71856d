using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Formats;

/// <summary>A publisher's names are one row of the table of formats: nothing else in the program knows of them.</summary>
public sealed class NewFormatTests : IDisposable
{
    /// <summary>Names of a made-up publisher: most are timm's, queries and keys are split, the first MLP layer has another name.</summary>
    private static readonly StateDictFormat Acme = new()
    {
        Name = "acme",
        Marker = "stem.weight",
        Prefixes = ["encoder."],
        Rules = CanonicalRows.All.With(
        [
            .. KeyRule.Layer("patch_embed.proj", "stem"),
            .. KeyRule.Layer("blocks.*.attn.qkv", "blocks.*.q", "blocks.*.k", "blocks.*.v"),
            .. KeyRule.Layer("blocks.*.mlp.fc1", "blocks.*.expand"),
        ]),
        Unused = ["logit_scale"],
        Source = "a test",
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_format_that_is_added_from_outside_is_written_found_and_read()
    {
        ViTArchitecture architecture = SmallModel.Architecture("vit");
        IReadOnlyList<TensorToWrite> model = SmallModel.Tensors(architecture);
        SafetensorsWriter.Write(
            _folder.File("acme"), [.. StateDictWriter.ToFormat(Acme, architecture, model), SmallModel.Ones("encoder.logit_scale", 1)]);
        using SafetensorsReader file = SafetensorsReader.Open(_folder.File("acme"));
        Assert.Contains("encoder.blocks.1.k.bias", file.Tensors.Keys);
        using CanonicalArchive archive = CanonicalArchive.Open(file, weights: null, [Acme, .. StateDictFormats.All]);
        Assert.Equal(("acme", "encoder."), (archive.StateDictFormat.Name, archive.Prefix));
        Assert.Equal(["encoder.logit_scale"], archive.UnusedTensors);
        Assert.Equal(model.Select(tensor => tensor.Entry.Name).Order(StringComparer.Ordinal), archive.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.All(model, tensor =>
        {
            byte[] read = new byte[tensor.Entry.ByteLength];
            archive.Read(tensor.Entry.Name, read);
            Assert.Equal(tensor.AllBytes(), read);
        });
    }

    [Fact]
    public void Without_its_row_nobody_knows_the_names()
    {
        ViTArchitecture architecture = SmallModel.Architecture("vit");
        SafetensorsWriter.Write(_folder.File("acme"), StateDictWriter.ToFormat(Acme, architecture, SmallModel.Tensors(architecture)));
        using SafetensorsReader file = SafetensorsReader.Open(_folder.File("acme"));
        Assert.Throws<CheckpointFormatException>(() => CanonicalArchive.Open(file));
    }
}
