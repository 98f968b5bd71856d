using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Planning;

/// <summary>How long a model's safetensors file is, before there is one: header, metadata, padding and every tensor.</summary>
public static class ModelFileBytes
{
    /// <summary>Bytes of the file of a model with given widths, every tensor in one type.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    /// <param name="type">Type of the elements.</param>
    /// <param name="metadata">Free text that the file carries; null for none.</param>
    public static long Of(
        ViTArchitecture architecture, SubnetWidths widths, TensorType type = TensorType.Float32, IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsWriter.Length([.. ParameterTable.For(architecture, widths).Select(parameter => new TensorEntry(parameter.Name, type, parameter.Shape))], metadata);
}
