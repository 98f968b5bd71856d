using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>How an <see cref="ElasticViT"/> is opened. The defaults are what <c>snapvit cut</c> does.</summary>
public sealed record ElasticOptions
{
    /// <summary>
    /// How layers that lost inputs are re-fitted; null for not at all. Default <see cref="CorrectionOptions.Automatic"/>: affine where the
    /// scores hold second moments, else not at all.
    /// </summary>
    public CorrectionOptions? Correction { get; init; } = CorrectionOptions.Automatic;

    /// <summary>
    /// Precision of the matrix products of sub-networks, float32 or bfloat16; default float32. Corrections are computed from float32
    /// weights.
    /// </summary>
    public ScalarType Precision { get; init; } = ScalarType.Float32;

    /// <summary>Where sub-networks are; null, the default, for the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>
    /// How images become the model's input; null, the default, for what the model's files or its published name say, and where they say
    /// nothing for what the reference does (<see cref="LoadedModel.PreprocessingOrReference"/>).
    /// </summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>What a model's file leaves in doubt; read only where a path is opened.</summary>
    public ModelHints Hints { get; init; } = new();
}
