using SnapViT.Core.Checkpoints;
using SnapViT.Data;
using SnapViT.Models;

namespace SnapViT.Loading;

/// <summary>A model that was read from a file, with all that is known about it. Owns the model.</summary>
public sealed class LoadedModel : IDisposable
{
    /// <summary>The file it was read from.</summary>
    public required string Path { get; init; }

    /// <summary>SHA-256 of the file, lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>
    /// SHA-256 of the weights by value, lower-case hexadecimal: the same in every file that holds them, under whatever names. Computed when
    /// it is first asked for, in about a second for a large model.
    /// </summary>
    internal string WeightsSha256 => field ??= ModelFile.HashWeights(Model);

    /// <summary>The model, in float32.</summary>
    public required VisionTransformer Model { get; init; }

    /// <summary>What the file says about the model, and where each fact was read.</summary>
    public required ModelDescription Description { get; init; }

    /// <summary>How images become the model's input; null where the file does not say.</summary>
    public Preprocessing? Preprocessing => Description.Preprocessing;

    /// <summary>
    /// How images become the model's input: what its files or its published name say; where they say nothing, what the reference does for
    /// every model (resize to 8/7 of the side, centre crop, ImageNet mean and std).
    /// </summary>
    public Preprocessing PreprocessingOrReference => Description.PreprocessingDoubt is string doubt
        ? throw new CheckpointFormatException(Path, $"preprocessing: {doubt}")
        : Preprocessing ?? Data.Preprocessing.Named("reference", Model.Architecture.ImageSize);

    /// <summary>What has to be assumed about the model, a sentence each; empty where its files or the caller say everything.</summary>
    /// <param name="chosen">The preprocessing that the caller chose; null for that of the model.</param>
    internal IReadOnlyList<string> Doubts(Preprocessing? chosen) => chosen is null && Preprocessing is null
        ?
        [
            .. Description.Assumptions,
            "preprocessing: neither the model's files nor its name say how images are prepared; "
                + $"taken is the reference's: {PreprocessingOrReference.Describe()}",
        ]
        : Description.Assumptions;

    /// <summary>Names of the classes in the order of the classifier's outputs; empty where the file does not say.</summary>
    public IReadOnlyList<string> ClassNames => Description.ClassNames;

    /// <summary>Whether anything was cut from the model.</summary>
    public bool IsPruned => !Model.Widths.Equals(Model.Architecture.FullWidths);

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
