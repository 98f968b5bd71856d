using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Planning;

public sealed class ModelFileBytesTests
{
    private static readonly ViTArchitecture Small = new() { Depth = 2, EmbedDim = 6, Heads = 2, HeadDim = 3, MlpDim = 12, PatchSize = 2, ImageSize = 4, Classes = 3 };

    [Theory]
    [InlineData(nameof(TensorType.Float32), null)]
    [InlineData(nameof(TensorType.Float32), "a few words")]
    [InlineData(nameof(TensorType.BFloat16), "\"quoted\" and ünicode")]
    public void It_is_the_length_of_the_file_that_is_written(string name, string? text)
    {
        TensorType type = Enum.Parse<TensorType>(name);
        using TemporaryFolder folder = new();
        Dictionary<string, string>? metadata = text is null ? null : new() { ["text"] = text, ["another"] = "" };
        foreach (SubnetWidths widths in new[] { Small.FullWidths, Widths.Of((0, 12), (1, 0)).In(Small), Widths.Of((1, 9), (2, 10)).In(Small) })
        {
            SafetensorsWriter.Write(
                folder.File("model"),
                ParameterTable.For(Small, widths).Select(parameter =>
                    new TensorToWrite(parameter.Name, type, parameter.Shape, stream => stream.Write(new byte[parameter.Elements * type.BitsPerElement() / 8]))),
                metadata);
            Assert.Equal(new FileInfo(folder.File("model")).Length, ModelFileBytes.Of(Small, widths, type, metadata));
        }
    }
}
