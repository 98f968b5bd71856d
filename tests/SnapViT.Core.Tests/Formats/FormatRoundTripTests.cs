using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Formats;

public sealed class FormatRoundTripTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(SmallModel.Published), MemberType = typeof(SmallModel))]
    public void A_model_written_in_a_format_is_read_as_the_same_model(string family, string format)
    {
        IReadOnlyList<TensorToWrite> model = SmallModel.Tensors(SmallModel.Architecture(family));
        SafetensorsWriter.Write(_folder.File("other"), SmallModel.InFormat(family, format));
        using CanonicalArchive archive = CanonicalArchive.Open(SafetensorsReader.Open(_folder.File("other")));
        Assert.Equal(format, archive.StateDictFormat.Name);
        Assert.Equal(model.Select(tensor => tensor.Entry.Name).Order(StringComparer.Ordinal), archive.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (TensorToWrite tensor in model)
        {
            Assert.Equal(tensor.Entry.Shape, archive.Tensors[tensor.Entry.Name].Shape);
            byte[] read = new byte[tensor.Entry.ByteLength];
            archive.Read(tensor.Entry.Name, read);
            Assert.Equal(tensor.AllBytes(), read);
        }
    }

    [Theory]
    [MemberData(nameof(SmallModel.Published), MemberType = typeof(SmallModel))]
    public void Converted_to_a_format_and_back_a_file_has_the_same_bytes(string family, string format)
    {
        ViTArchitecture architecture = SmallModel.Architecture(family);
        SafetensorsWriter.Write(_folder.File("first"), SmallModel.InFormat(family, format));
        foreach ((string from, string to, string through) in new[] { ("first", "middle", "timm"), ("middle", "again", format) })
        {
            using CanonicalArchive archive = CanonicalArchive.Open(SafetensorsReader.Open(_folder.File(from)));
            IEnumerable<TensorToWrite> canonical = ParameterTable.For(architecture, architecture.FullWidths).Select(parameter => Copy(archive, parameter.Name));
            SafetensorsWriter.Write(_folder.File(to), StateDictWriter.ToFormat(StateDictFormats.Named(through), architecture, canonical));
        }

        Assert.Equal(File.ReadAllBytes(_folder.File("first")), File.ReadAllBytes(_folder.File("again")));
    }

    [Theory]
    [MemberData(nameof(SmallModel.Published), MemberType = typeof(SmallModel))]
    public void A_pruned_model_goes_through_every_format_too(string family, string format)
    {
        ViTArchitecture architecture = SmallModel.Architecture(family);
        IReadOnlyList<TensorToWrite> model = SmallModel.Tensors(architecture, Widths.Of((1, 7), (2, 3)).In(architecture));
        SafetensorsWriter.Write(_folder.File("pruned"), StateDictWriter.ToFormat(StateDictFormats.Named(format), architecture, model));
        using CanonicalArchive archive = CanonicalArchive.Open(SafetensorsReader.Open(_folder.File("pruned")));
        Assert.All(model, tensor => Assert.Equal(tensor.AllBytes(), Copy(archive, tensor.Entry.Name).AllBytes()));
    }

    private static TensorToWrite Copy(CanonicalArchive archive, string name)
    {
        TensorEntry entry = archive.Tensors[name];
        byte[] bytes = new byte[entry.ByteLength];
        archive.Read(name, bytes);
        return new TensorToWrite(name, entry.Type, entry.Shape, stream => stream.Write(bytes));
    }
}
