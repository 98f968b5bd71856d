using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;

namespace SnapViT.Calibration;

/// <summary>
/// Weight of a prefix token (class, distillation, register) against 1 of a patch token. The nearer a block is to the end, the more of what
/// reaches a pooled class token passes through that token alone; behind the last block nothing else does. So where a correction is fitted
/// the weight can rise geometrically over the last third of the blocks. Models that pool patches keep the first weight, and so do scores.
/// </summary>
/// <param name="First">Weight in scores, and in the fit of the first two thirds of the blocks; above 0.</param>
/// <param name="Last">Weight in the fit of the last block, above 0; null for the first weight everywhere.</param>
public sealed record PrefixWeights(double First, double? Last = null)
{
    /// <summary>Checks the weights.</summary>
    /// <returns>These weights.</returns>
    /// <exception cref="SnapViTException">A weight is not finite or not above 0.</exception>
    public PrefixWeights Validated()
    {
        foreach ((string name, double weight) in new[] { ("prefix weight", First), ("last prefix weight", Last ?? First) })
        {
            if (!(weight > 0) || !double.IsFinite(weight))
            {
                throw new SnapViTException(
                    ErrorKind.Option, FormattableString.Invariant($"{name}: expected a finite figure above 0, found {weight}"));
            }
        }

        return this;
    }

    /// <summary>The weight in the fit of one block.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    public double InFit(ViTArchitecture architecture, int block)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        int start = 2 * architecture.Depth / 3;
        bool rises = Last is not null && block >= start && architecture.Pooling is Pooling.ClassToken or Pooling.ClassAndDistillation;
        return rises ? First * Math.Pow(Last!.Value / First, (block - start + 1) / (double)(architecture.Depth - start)) : First;
    }

    /// <summary>The weights in one phrase, such as <c>20</c> or <c>20 to 1000</c>.</summary>
    public override string ToString() => Last is double last && last != First
        ? FormattableString.Invariant($"{First} to {last}")
        : FormattableString.Invariant($"{First}");
}
