using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Calibration;

/// <summary>Mean and second moments of the inputs x [n] of one linear layer over weighted tokens; sums are exact.</summary>
internal sealed class SecondMoments : IRunningSums, IDisposable
{
    /// <summary>Columns per product: wide enough for a fast one, and eight of them save 7/16 of the products of 1536 inputs.</summary>
    private const long Strip = 192;

    /// <summary>Sum of <c>x x^T</c>; only what is on and below the diagonal counts.</summary>
    private readonly ExactSum _products;
    private readonly ExactSum _sum;
    private readonly ExactSum _weight;

    /// <summary>Moments of nothing yet.</summary>
    /// <param name="width">Inputs of the layer, n.</param>
    /// <param name="device">Where the sums are kept; null for the CPU.</param>
    public SecondMoments(long width, Device? device = null)
    {
        _products = new ExactSum([width, width], device);
        _sum = new ExactSum([width], device);
        _weight = new ExactSum([1]);
    }

    /// <summary>Moments that were computed before; takes ownership of both tensors and computes in their memory.</summary>
    /// <param name="mean">Mean, float64 [n].</param>
    /// <param name="covariance">Covariance, float64 [n, n], contiguous; only what is on and below the diagonal counts.</param>
    /// <param name="weight">Sum of the weights of all tokens.</param>
    public SecondMoments(Tensor mean, Tensor covariance, double weight)
    {
        _weight = new ExactSum(tensor(new[] { weight }));
        _sum = new ExactSum(mean.Times(weight));
        _products = new ExactSum(covariance);
        EveryStrip((start, count) =>
        {
            Tensor lower = covariance.narrow(0, start, count).narrow(1, 0, start + count);
            lower.AddInPlace(mean.narrow(0, start, count).outer(mean.narrow(0, 0, start + count)));
            lower.TimesInPlace(weight);
        });
        mean.Dispose();
    }

    private SecondMoments(double weight, Tensor products, Tensor sum) =>
        (_weight, _products, _sum) = (new ExactSum(tensor(new[] { weight })), new ExactSum(products), new ExactSum(sum));

    /// <summary>Inputs of the layer, n.</summary>
    public long Width => _sum.Value.shape[0];

    /// <summary>Where the sums are kept.</summary>
    public Device Device => _sum.Value.device;

    /// <summary>Sum of the weights of all tokens added.</summary>
    public double Weight => _weight.Number;

    /// <summary>Adds tokens.</summary>
    /// <param name="inputs">Inputs of the layer, [B, N, n].</param>
    /// <param name="weights">Weight of every token of an image, float32 [N], not negative; null for 1 each.</param>
    public void Add(Tensor inputs, Tensor? weights = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = inputs.to(ScalarType.Float32);
        Tensor scaled = weights is null ? x : x * weights.sqrt().unsqueeze(1);
        AddProducts(scaled.reshape(-1, Width));
        Tensor everyToken = weights?.to(ScalarType.Float64) ?? ones([x.shape[1]], ScalarType.Float64, x.device);
        _sum.Add(x.sum([0], type: ScalarType.Float64).t().mv(everyToken));
        _weight.Add(x.shape[0] * everyToken.sum().item<double>());
    }

    /// <summary>Weighted mean of the inputs, float64 [n]; the caller disposes it.</summary>
    public Tensor Mean() => _sum.Value.Div(RequiredWeight());

    /// <summary>Weighted mean of <c>x x^T</c>, not centred, float64 [n, n]; the caller disposes it.</summary>
    public Tensor Products()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor square = _products.Value.Div(RequiredWeight());
        EveryStrip((start, count) =>
        {
            Tensor rows = square.narrow(0, start, count), corner = rows.narrow(1, start, count), lower = corner.tril();
            corner.copy_(lower.Plus(lower.tril(-1).t()));
            long end = start + count, left = Width - end;
            rows.narrow(1, end, left).copy_(square.narrow(0, end, left).narrow(1, start, count).t());
        });
        return square.MoveToOuterDisposeScope();
    }

    /// <summary>Weighted covariance of the inputs, float64 [n, n]; the caller disposes it.</summary>
    public Tensor Covariance()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor mean = Mean(), square = Products();
        EveryStrip((start, count) => square.narrow(0, start, count).SubInPlace(mean.narrow(0, start, count).outer(mean)));
        return square.MoveToOuterDisposeScope();
    }

    /// <summary>These moments with part of their tokens counted more often; the caller disposes them.</summary>
    /// <param name="part">Moments of that part alone.</param>
    /// <param name="more">How much more each of its tokens counts; below 0 for less.</param>
    internal SecondMoments With(SecondMoments part, double more)
    {
        using DisposeScope scope = NewDisposeScope();
        return new SecondMoments(
            Weight + (more * part.Weight),
            _products.Value.Plus(part._products.Value.Times(more)),
            _sum.Value.Plus(part._sum.Value.Times(more)));
    }

    /// <summary>These moments as another owner's: the same memory.</summary>
    public SecondMoments Alias() => new(Weight, _products.Value.alias(), _sum.Value.alias());

    void IRunningSums.Save(SumWriter to)
    {
        _weight.Save(to, "weight");
        _sum.Save(to, "sum");
        _products.Save(to, "products");
    }

    void IRunningSums.Restore(SumReader from)
    {
        _weight.Restore(from, "weight");
        _sum.Restore(from, "sum");
        _products.Restore(from, "products");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _products.Dispose();
        _sum.Dispose();
        _weight.Dispose();
    }

    /// <summary>
    /// Adds <c>X^T X</c> of rows X [tokens, n]. It is symmetric: every strip is multiplied with the columns up to its own end only.
    /// </summary>
    private void AddProducts(Tensor rows)
    {
        EveryStrip((start, columns) =>
        {
            Tensor products = rows.narrow(1, start, columns).t().mm(rows.narrow(1, 0, start + columns));
            _products.AddRows(products, start);
        });
    }

    /// <summary>
    /// Does something strip by strip, first row and number of rows, so that what it needs in between is small beside the whole square.
    /// </summary>
    private void EveryStrip(Action<long, long> work)
    {
        for (long start = 0; start < Width; start += Strip)
        {
            using DisposeScope scope = NewDisposeScope();
            work(start, Math.Min(Strip, Width - start));
        }
    }

    private double RequiredWeight() => Weight > 0 ? Weight : throw new InvalidOperationException("no calibration image was added");
}
