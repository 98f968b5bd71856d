using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>What a tensor holds that belongs to a file but not to the model.</summary>
internal enum ConstantKind
{
    /// <summary>Zeros [1, D]: a mask token, used in training only.</summary>
    ZeroRow,

    /// <summary>Zeros [1, 1, D]: a mask token, used in training only.</summary>
    ZeroToken,

    /// <summary>The rotary periods [d / 4], which follow from base and head width.</summary>
    RotaryPeriods,
}

/// <summary>A tensor that a publisher's code expects in a file though the model does not need it.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Kind">What it holds.</param>
internal sealed record KeyConstant(string Name, ConstantKind Kind)
{
    internal TensorToWrite ToWrite(string fullName, ViTArchitecture architecture) => Kind switch
    {
        ConstantKind.ZeroRow => TensorToWrite.From(fullName, new float[architecture.EmbedDim], 1, architecture.EmbedDim),
        ConstantKind.ZeroToken => TensorToWrite.From(fullName, new float[architecture.EmbedDim], 1, 1, architecture.EmbedDim),
        _ => TensorToWrite.From(fullName, RotarySpec.Periods(architecture), architecture.HeadDim / 4),
    };
}
