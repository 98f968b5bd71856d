using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Tests.Loading;

/// <summary>A checkpoint of names and shapes whose values must not be read: models of any size take no memory.</summary>
internal sealed class ShapesOnly(string path, IReadOnlyDictionary<string, string> metadata, IReadOnlyDictionary<string, TensorEntry> tensors) : ITensorArchive
{
    public string Path => path;

    public IReadOnlyDictionary<string, string> Metadata => metadata;

    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>A published checkpoint, without any config of ours.</summary>
    public static ShapesOnly Of(ViTArchitecture architecture) => new(
        "published.safetensors",
        new Dictionary<string, string>(),
        ParameterTable.For(architecture, architecture.FullWidths).ToDictionary(
            parameter => parameter.Name, parameter => new TensorEntry(parameter.Name, TensorType.Float32, parameter.Shape)));

    public void Read(string name, Span<byte> destination) => Assert.Fail($"read {name}");

    public void Dispose()
    {
    }
}
