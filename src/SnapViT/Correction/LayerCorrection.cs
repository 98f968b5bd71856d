using SnapViT.Calibration;
using SnapViT.Core.Errors;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>
/// One linear layer that keeps giving what it gave when only a prefix of its inputs, in importance order, is left. With the damped second
/// moments factored as <c>H = R R^T</c>, R lower triangular, the least-squares weights of the first k inputs are
/// <c>W' = W R[:, :k] R[:k, :k]^-1</c> for every k: one factorisation, then one triangular solve per budget.
/// </summary>
/// <remarks>
/// Equal to SparseGPT's column elimination (Frantar and Alistarh, 2023) of a suffix from the right, in closed form. The damping acts as a
/// ridge toward the original weights. Immutable: solves may run on several threads.
/// </remarks>
internal sealed class LayerCorrection : IDisposable
{
    private readonly Tensor _factor;
    private readonly Tensor _product;

    /// <summary>The bias; with intercept, what the layer gives for the mean inputs.</summary>
    private readonly Tensor? _constant;

    /// <summary>The mean inputs; null without intercept.</summary>
    private readonly Tensor? _mean;

    private LayerCorrection(Tensor factor, Tensor product, Tensor? constant, Tensor? mean) =>
        (_factor, _product, _constant, _mean) = (factor, product, constant, mean);

    /// <summary>Factors the moments of one layer.</summary>
    /// <param name="weight">Original weight, [D, n].</param>
    /// <param name="bias">Original bias, [D], or null.</param>
    /// <param name="moments">Second moments of its inputs, n.</param>
    /// <param name="tokens">Tokens of one image, N: the reference sums over them.</param>
    /// <param name="order">Inputs by importance, int64 [n].</param>
    /// <param name="options">What is fitted.</param>
    /// <param name="isLastUse">Whether nobody needs the moments afterwards: they are disposed as soon as they are read.</param>
    /// <exception cref="SnapViTException">The moments are singular and not damped, or not finite.</exception>
    public static LayerCorrection Factor(
        Tensor weight, Tensor? bias, SecondMoments moments, long tokens, Tensor order, CorrectionOptions options, bool isLastUse = false)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        bool affine = options.Mode == CorrectionMode.Affine;
        Tensor h = affine ? moments.Covariance() : moments.Products().Times(2 * tokens);
        Tensor? alive = affine ? null : AliveInputs(h);
        Tensor? mean = affine && bias is not null ? moments.Mean().index_select(0, order) : null;

        // At most two squares at a time: of a wide layer each takes more than the layer itself.
        if (isLastUse)
        {
            moments.Dispose();
        }

        options.Damping.AddTo(h);
        Tensor rows = h.index_select(0, order);
        h.Dispose();
        Tensor ordered = rows.index_select(1, order);
        rows.Dispose();
        Tensor factor = Cholesky(ordered);
        ordered.Dispose();
        Tensor w = (alive is null ? weight.to(ScalarType.Float64) : weight.to(ScalarType.Float64) * alive).index_select(1, order);
        Tensor product = w.mm(factor);
        Tensor? constant = bias?.to(ScalarType.Float64, copy: true);
        return new LayerCorrection(
            factor.to(options.Precision).DetachFromDisposeScope(),
            product.to(options.Precision).DetachFromDisposeScope(),
            (mean is null ? constant : constant!.Plus(w.mv(mean)))?.DetachFromDisposeScope(),
            mean?.DetachFromDisposeScope());
    }

    /// <summary>
    /// Weight [D, k] in the precision of the options and bias [D] in float64 of the layer on its first k inputs; the caller disposes them.
    /// </summary>
    /// <param name="kept">Inputs kept, k, 0..n.</param>
    public (Tensor Weight, Tensor? Bias) At(long kept)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor weight = kept == 0 ? _product.narrow(1, 0, 0).clone() : Solve(kept);
        return (weight.MoveToOuterDisposeScope(), Bias(weight, kept)?.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor? tensor in new[] { _factor, _product, _constant, _mean })
        {
            tensor?.Dispose();
        }
    }

    /// <summary>W' R_kk = M_k, solved as R_kk^T W'^T = M_k^T.</summary>
    private Tensor Solve(long kept)
    {
        Tensor triangle = _factor.narrow(0, 0, kept).narrow(1, 0, kept);
        return linalg.solve_triangular(triangle, _product.narrow(1, 0, kept), upper: false, left: false);
    }

    /// <summary>What the layer gives where its inputs are 0: the constant less what the mean inputs give through the new weights.</summary>
    private Tensor? Bias(Tensor weight, long kept) => _mean is null || kept == 0
        ? _constant?.clone()
        : _constant!.Minus(weight.to(ScalarType.Float64).mv(_mean.narrow(0, 0, kept)));

    /// <summary>
    /// The reference gives an input that is always 0 a moment of 1, which is set here, and no weight: 0 for it, 1 for the others.
    /// </summary>
    private static Tensor AliveInputs(Tensor moments)
    {
        Tensor dead = moments.diagonal().eq(zeros([1], ScalarType.Float64, moments.device)).to(ScalarType.Float64);
        moments.diagonal().AddInPlace(dead);
        return ones_like(dead).Minus(dead);
    }

    /// <summary>R, lower triangular, of damped moments <c>H = R R^T</c>.</summary>
    /// <exception cref="SnapViTException">They are singular, or not finite.</exception>
    internal static Tensor Cholesky(Tensor h)
    {
        (Tensor factor, Tensor info) = linalg.cholesky_ex(h);

        // The sum of what is not finite is not finite either, and needs no square of its own.
        bool finite = double.IsFinite(factor.sum().to(ScalarType.Float64).item<double>());
        return info.item<int>() == 0 && finite
            ? factor
            : throw new SnapViTException(
                ErrorKind.Numbers,
                finite
                    ? "correction: the second moments are singular: use more calibration images or damping above 0"
                    : "correction: expected finite second moments, found NaN or infinite ones");
    }
}
