using SnapViT.Importance;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

public sealed class CompensatedRemovalTests
{
    private const int Outputs = 6;

    // 150 inputs: more than are kept beside the inverse before they are folded into it.
    [Theory, LeakCheck]
    [InlineData(150, 1)]
    [InlineData(24, 4)]
    public void Every_cost_is_that_of_the_cheapest_group_left_when_all_others_are_fitted_anew(int inputs, int unit)
    {
        using DisposeScope scope = NewDisposeScope();
        Generator random = new(23);
        Tensor x = randn([400, inputs], ScalarType.Float64, generator: random).mm(randn([inputs, inputs], ScalarType.Float64, generator: random));
        Tensor h = x.t().mm(x) / 400, weight = randn([Outputs, inputs], ScalarType.Float64, generator: random);
        Tensor g = randn([50, Outputs], ScalarType.Float64, generator: random), gamma = g.t().mm(g);
        double[] expected = FromScratch(h, weight, gamma, unit);
        double[] actual = CompensatedRemoval.Costs(weight, h, gamma, unit);
        for (int group = 0; group < expected.Length; group++)
        {
            Assert.Equal(expected[group], actual[group], 1e-7 * Math.Abs(expected[group]));
        }
    }

    [Fact, LeakCheck]
    public void A_redundant_input_costs_next_to_nothing_and_goes_first()
    {
        using DisposeScope scope = NewDisposeScope();
        Generator random = new(29);
        Tensor x = randn([300, 8], ScalarType.Float64, generator: random);
        x = cat([x, x.select(1, 0).unsqueeze(1) + (0.001 * randn([300, 1], ScalarType.Float64, generator: random))], 1);
        Tensor h = x.t().mm(x) / 300;
        double[] costs = CompensatedRemoval.Costs(randn([Outputs, 9], ScalarType.Float64, generator: random), h, eye(Outputs, dtype: ScalarType.Float64), 1);
        int first = Array.IndexOf(costs, costs.Min());
        Assert.Contains(first, new[] { 0, 8 });
        Assert.True(costs[first] < 1e-4 * costs.Order().ElementAt(1), string.Join(' ', costs));
    }

    private static double[] FromScratch(Tensor h, Tensor weight, Tensor gamma, int unit)
    {
        int groups = (int)(h.shape[0] / unit);
        double[] costs = new double[groups];
        List<int> left = [.. Enumerable.Range(0, groups)];
        double dearest = 0;
        while (left.Count > 0)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor inputs = tensor(left.SelectMany(group => Enumerable.Range(group * unit, unit)).Select(i => (long)i).ToArray());
            Tensor columns = h.index_select(1, inputs);
            Tensor inverse = linalg.inv(columns.index_select(0, inputs));
            Tensor fitted = weight.mm(columns).mm(inverse);
            (double cost, int position) = left.Select((_, at) => (Cost(at), at)).Min();
            dearest = Math.Max(dearest, cost);
            costs[left[position]] = dearest;
            left.RemoveAt(position);

            double Cost(int at)
            {
                Tensor own = fitted.narrow(1, at * unit, unit);
                Tensor block = inverse.narrow(0, at * unit, unit).narrow(1, at * unit, unit);
                return (own.t().mm(gamma).mm(own) * linalg.inv(block)).sum().item<double>();
            }
        }

        return costs;
    }
}
