using SnapViT.Core.Architecture;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>What a model file says, or lets infer, about its model.</summary>
/// <param name="Architecture">The unpruned architecture.</param>
/// <param name="Widths">What every block has of it.</param>
/// <param name="Sources">Fact to source, in one short phrase each, for people.</param>
public sealed record ModelDescription(ViTArchitecture Architecture, SubnetWidths Widths, IReadOnlyList<(string Fact, string Source)> Sources)
{
    /// <summary>How images become the model's input; null where the file does not say.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>Side of the input image that the file's position embeddings are for; the architecture's own unless another was asked for.</summary>
    public int ImageSizeInFile { get; init; } = Architecture.ImageSize;

    /// <summary>Tensors of the file that are none of the model's, such as a text tower.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];

    /// <summary>What the file says about its origin; empty for a published checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Provenance { get; init; } = new Dictionary<string, string>();
}
