using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;

namespace SnapViT.Tests.Loading;

/// <summary>A checkpoint of names and shapes without a value: the largest model takes no memory.</summary>
internal sealed class ShapesOnly(IEnumerable<TensorEntry> tensors) : ITensorArchive
{
    /// <summary>What a full-size model would be as a file of a format.</summary>
    public static ShapesOnly Of(ViTArchitecture architecture, string format, Func<string, string>? rename = null) => new(
        StateDictWriter.ToFormat(
            StateDictFormats.Named(format),
            architecture,
            ParameterTable.For(architecture, architecture.FullWidths).Select(parameter => new TensorToWrite(parameter.Name, TensorType.Float32, parameter.Shape, stream => WriteZeros(stream, parameter))))
        .Select(tensor => new TensorEntry(rename?.Invoke(tensor.Entry.Name) ?? tensor.Entry.Name, tensor.Entry.Type, tensor.Entry.Shape)));

    /// <summary>A published checkpoint in canonical names, without any config of ours.</summary>
    public static ShapesOnly Of(ViTArchitecture architecture) => new(
        ParameterTable.For(architecture, architecture.FullWidths).Select(parameter => new TensorEntry(parameter.Name, TensorType.Float32, parameter.Shape)));

    public string Path { get; init; } = "nowhere/model.safetensors";

    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; } = tensors.ToDictionary(tensor => tensor.Name);

    public void Read(string name, Span<byte> destination) => throw new InvalidOperationException("there are no values");

    public void Dispose()
    {
    }

    /// <summary>Biases of fused layers only are looked at while a format is written.</summary>
    private static void WriteZeros(Stream stream, ParameterSpec parameter) => stream.Write(new byte[parameter.Elements * sizeof(float)]);
}
