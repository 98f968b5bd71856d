using SnapViT.Core.Architecture;

namespace SnapViT.Calibration;

/// <summary>Where the second moments come from that corrections are fitted by: a pass over images, or a scores file.</summary>
internal interface IMomentSource : IDisposable
{
    /// <summary>The unpruned architecture.</summary>
    ViTArchitecture Architecture { get; }

    /// <summary>The moments of one layer with the prefix weight of the fit; the caller disposes them.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="layer"><see cref="BlockLinear.Proj"/> or <see cref="BlockLinear.Fc2"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another layer.</exception>
    SecondMoments ForFit(int block, BlockLinear layer);

    /// <summary>The same moments as another owner's.</summary>
    IMomentSource Share();
}
