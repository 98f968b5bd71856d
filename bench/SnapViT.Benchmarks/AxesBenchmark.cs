using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Models;
using SnapViT.Cli.Roofline;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// Sub-networks that take from all axes, as frontiers of real models do at such budgets: mostly tokens, a tenth of neurons and value
/// dimensions, a quarter of query and key dimensions. Speed does not depend on which units they are.
/// </summary>
internal sealed class AxesBenchmark : IBenchmark
{
    private const int Switches = 1000;

    private static readonly (double Share, double AtLeast)[] Budgets = [(0.7, 1.3), (0.5, 1.7), (0.3, 0)];

    public string Name => "axes";

    public IEnumerable<ResultRow> Run(Device device)
    {
        foreach ((ScalarType type, string precision) in RandomModel.Precisions)
        {
            foreach (int images in new[] { 16, 1 })
            {
                foreach (ResultRow row in Speed(type, precision, images, device))
                {
                    yield return row;
                }
            }
        }

        ViTArchitecture a = RandomModel.Base;
        using VisionTransformer model = RandomModel.Create(a, ScalarType.Float32, device);
        using ElasticWeights elastic = new(model, RandomModel.Scores(a), new KeepFloors());
        SubnetWidths[] plans = [.. Enumerable.Range(0, 10).Select(plan => Plan(a, 0.3 + (0.06 * plan)))];
        (double median, double worst) = Measure.Spread(Switches, run => elastic.At(plans[run % plans.Length]).Dispose());
        yield return new ResultRow(
            $"ViT-B fp32, At of plans of all axes, {Switches} switches", worst / median, "worst time to median",
            Target.AtMost(1, 1e3 * median, " ms"), $"median {1e3 * median:0.000} ms, worst {1e3 * worst:0.000} ms");
    }

    private static IEnumerable<ResultRow> Speed(ScalarType type, string precision, int images, Device device)
    {
        ViTArchitecture a = RandomModel.Small;
        using VisionTransformer model = RandomModel.Create(a, type, device);
        using ElasticWeights elastic = new(model, RandomModel.Scores(a), new KeepFloors());
        using Tensor batch = RandomModel.Images(a, device, images);
        VisionTransformer[] subnets =
        [
            elastic.At(a.FullWidths),
            .. Budgets.Select(budget => elastic.At(Plan(a, budget.Share))),
            .. Budgets.Select(budget => elastic.At(Merged(a, a.FullWidths, budget.Share))),
        ];
        double[] seconds = Measure.Best([.. subnets.Select(subnet => (Action)(() => subnet.Embed(batch)))]);
        foreach ((VisionTransformer subnet, int index) in subnets.Select((subnet, index) => (subnet, index)).Skip(1))
        {
            (double share, double target) = Budgets[(index - 1) % Budgets.Length];
            bool isAll = index <= Budgets.Length;
            double ratio = seconds[0] / seconds[index];
            yield return new ResultRow(
                $"ViT-S {precision}, {images} images, {share} of the FLOPs, {(isAll ? "all axes" : "tokens")}",
                ratio, "images/s to those of the whole model",
                isAll && target > 0 && type == ScalarType.Float32 && images > 1 ? Target.AtLeast(target, ratio) : "",
                $"{images / seconds[index]:0.0} images/s");
        }

        foreach (VisionTransformer subnet in subnets)
        {
            subnet.Dispose();
        }
    }

    private static SubnetWidths Plan(ViTArchitecture a, double share)
    {
        BlockWidths narrower = a.FullBlock.With(Axis.Neurons, a.MlpDim * 9 / 10).With(Axis.ValueDims, a.HeadDim * 9 / 10)
            .With(Axis.QueryKeyDims, a.HeadDim * 3 / 4);
        return Merged(a, new SubnetWidths(Enumerable.Repeat(narrower, a.Depth)), share);
    }

    /// <summary>As many tokens merged in every block as bring the FLOPs to a share of the whole model's; the last computes pooled ones.</summary>
    private static SubnetWidths Merged(ViTArchitecture a, SubnetWidths widths, double share)
    {
        long most = (long)(share * CostModel.Flops(a, a.FullWidths));
        return Enumerable.Range(0, a.Tokens).Select(Fewer).First(merged => CostModel.Flops(a, merged) <= most);

        SubnetWidths Fewer(int fewer)
        {
            int left = a.Tokens;
            return new SubnetWidths(widths.Select((block, index) => block.With(
                Axis.Tokens, left = index == a.Depth - 1 ? a.PooledTokens : Math.Max(left - fewer, Math.Max(SubnetWidths.FewestTokens(a, left), 10)))));
        }
    }
}
