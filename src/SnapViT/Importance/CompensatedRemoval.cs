using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>
/// Optimal brain surgeon on one linear layer (Hassibi and Stork, 1993) with a Kronecker-factored curvature: groups of its inputs are
/// removed one after another, the cheapest first, and the remaining ones compensate each time. With input covariance H and output-gradient
/// moments Gamma, removing group g from weights W costs <c>tr((W_g^T Gamma W_g) (H^-1_gg)^-1)</c>.
/// </summary>
internal static class CompensatedRemoval
{
    /// <summary>The cost of every group at the moment it is removed, never less than that of the groups before it, [groups].</summary>
    /// <param name="weight">Weight of the layer, [D, n].</param>
    /// <param name="covariance">Damped covariance of its inputs, float64 [n, n].</param>
    /// <param name="gradients">Second moments of the loss's gradient at its outputs, float64 [D, D].</param>
    /// <param name="unit">Inputs per group: 1 for neurons, d for heads.</param>
    public static double[] Costs(Tensor weight, Tensor covariance, Tensor gradients, int unit)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        (Tensor values, Tensor vectors) = linalg.eigh(gradients);
        Tensor root = values.relu().sqrt().unsqueeze(1) * vectors.t();
        Tensor rooted = root.mm(weight.to(ScalarType.Float64));
        Tensor inverse = linalg.inv(covariance);
        if (unit > 1)
        {
            return Groups(inverse, rooted, unit);
        }

        using SingleInputRemoval removal = new(inverse, rooted);
        return removal.Run();
    }

    /// <summary>Groups of several inputs: few, so that everything is updated at every step (a Schur complement).</summary>
    private static double[] Groups(Tensor inverse, Tensor weights, int unit)
    {
        int groups = (int)(inverse.shape[0] / unit);
        double[] costs = new double[groups];
        List<int> left = [.. Enumerable.Range(0, groups)];
        double dearest = 0;
        while (left.Count > 0)
        {
            (int position, double cost) = Cheapest(inverse, weights, unit, left.Count);
            dearest = Math.Max(dearest, cost);
            costs[left[position]] = dearest;
            left.RemoveAt(position);
            (inverse, weights) = Without(inverse, weights, position * unit, unit);
        }

        return costs;
    }

    private static (int Position, double Cost) Cheapest(Tensor inverse, Tensor weights, int unit, int groups) =>
        Enumerable.Range(0, groups).Select(position =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor own = weights.narrow(1, position * unit, unit);
            Tensor block = linalg.inv(inverse.narrow(0, position * unit, unit).narrow(1, position * unit, unit));
            return (position, (own.t().mm(own) * block).sum().item<double>());
        }).MinBy(candidate => candidate.Item2);

    /// <summary>
    /// Inverse and weights of the inputs that are left, after they have compensated for the group at <paramref name="start"/>.
    /// </summary>
    private static (Tensor Inverse, Tensor Weights) Without(Tensor inverse, Tensor weights, int start, int unit)
    {
        long n = inverse.shape[0];
        Tensor rows = inverse.narrow(0, start, unit);
        Tensor shares = linalg.inv(rows.narrow(1, start, unit)).mm(rows);
        Tensor compensated = weights.Minus(weights.narrow(1, start, unit).mm(shares));
        Tensor complement = inverse.Minus(rows.t().mm(shares));
        Tensor kept = tensor(
            Enumerable.Range(0, (int)n).Where(i => i < start || i >= start + unit).Select(i => (long)i).ToArray(),
            device: inverse.device);
        return (complement.index_select(0, kept).index_select(1, kept), compensated.index_select(1, kept));
    }
}
