using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Data;

namespace SnapViT.Loading;

/// <summary>What a model file says, or lets infer, about its model.</summary>
/// <param name="Architecture">The unpruned architecture.</param>
/// <param name="Widths">What every block has of it.</param>
/// <param name="Sources">Fact to source, in one short phrase each, for people.</param>
public sealed record ModelDescription(
    ViTArchitecture Architecture,
    SubnetWidths Widths,
    IReadOnlyList<(string Fact, string Source)> Sources)
{
    /// <summary>How images become the model's input; null where the file does not say.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>
    /// Why images cannot be prepared without being told how: the file's family is published with several settings, or a config asks for one
    /// that cannot be done. Null where nothing is in doubt.
    /// </summary>
    public string? PreprocessingDoubt { get; init; }

    /// <summary>
    /// What had to be assumed, or left out, to read the model, a sentence each: what a user should know who did not inspect it.
    /// </summary>
    internal IReadOnlyList<string> Assumptions { get; init; } = [];

    /// <summary>Names of the classes in the order of the classifier's outputs; empty where the file does not say.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>
    /// Side of the input image that the file's position embeddings are for; the architecture's own unless another was asked for.
    /// </summary>
    public int ImageSizeInFile { get; init; } = Architecture.ImageSize;

    /// <summary>Tensors of the file that are none of the model's, such as a text tower.</summary>
    public IReadOnlyList<string> UnusedTensors { get; init; } = [];

    /// <summary>What the file says about its origin; empty for a published checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Provenance { get; init; } = new Dictionary<string, string>();

    /// <summary>The rotary pairs of every block in the order of its queries and keys; null where they lie as published.</summary>
    internal IReadOnlyList<IReadOnlyList<int>>? RotaryPairs { get; init; }

    /// <summary>The same model for images of another size.</summary>
    /// <param name="size">Side of the image in pixels.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="CheckpointFormatException">The size is no multiple of the patch.</exception>
    internal ModelDescription AtImageSize(int size, string path)
    {
        if (size <= 0 || size % Architecture.PatchSize != 0)
        {
            throw new CheckpointFormatException(
                path,
                $"--image-size: expected a multiple of the patch size {Architecture.PatchSize}, found {size}");
        }

        string how = Architecture.Position == PositionEmbedding.Rotary
            ? "rotary positions computed"
            : $"positions resampled from {Architecture.Grid}x{Architecture.Grid} patches";
        ViTArchitecture resized = Architecture with { ImageSize = size };
        return this with
        {
            Architecture = resized,
            Widths = Widths.AtImageSize(Architecture, resized),
            ImageSizeInFile = Architecture.ImageSize,
            Sources = [.. Sources, ($"image size {size} instead", $"--image-size, {how}")],
            Preprocessing = Preprocessing is null ? null : AtSide(Preprocessing, size),
        };
    }

    /// <summary>The same preprocessing for another side: the crop keeps its share of the resized image.</summary>
    internal static Preprocessing AtSide(Preprocessing images, int side) =>
        images with { Side = side, ResizeTo = (int)((long)images.ResizeTo * side / images.Side) };
}
