using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Features;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>One candidate of the search: sort by its factors, cut at every ratio, embed, compare.</summary>
internal sealed class FitnessBenchmark : IBenchmark
{
    private const int Batch = 16;
    private const int Batches = 4;

    public string Name => "fitness";

    public IEnumerable<ResultRow> Run(Device device) => RandomModel.Precisions.Select(precision => Case(precision.Type, precision.Name, device));

    private static ResultRow Case(ScalarType precision, string precisionName, Device device)
    {
        ViTArchitecture architecture = RandomModel.Small;

        // As many principal components as there are images: the default asks for more.
        FitnessOptions options = new() { PcaComponents = Batch * Batches };
        ImportanceScores scores = RandomModel.Scores(architecture);
        ScoreCoefficients factors = ScoreCoefficients.Initial(architecture.FullWidths);
        using VisionTransformer model = RandomModel.Create(architecture, precision, device);
        using Tensor images = RandomModel.Images(architecture, device, Batch);
        using Fitness fitness = new(model, scores, Passes, options);
        double[] seconds = Measure.Best(() => FeatureExtractor.Embed(model, Passes()), () => fitness.Evaluate(factors));
        double share = MeanShare(architecture, new SubnetPlanner(architecture, scores.Scaled(factors), options.Floors), options);
        int subnets = options.Ratios.Count;
        return new ResultRow(
            $"ViT-S {precisionName}, {Batch * Batches} images, {subnets} sub-networks, {options.PcaComponents} components",
            seconds[1] / (subnets * share * seconds[0]),
            $"time to {subnets} forwards times the mean kept FLOP share",
            "",
            $"{seconds[1]:0.00} s (forward {seconds[0]:0.00} s, mean kept share {share:0.000}; {seconds[1] / (share * seconds[0]):0.00} times one forward at that share)");

        IEnumerable<Tensor> Passes() => Enumerable.Range(0, Batches).Select(_ => images.alias());
    }

    private static double MeanShare(ViTArchitecture architecture, SubnetPlanner planner, FitnessOptions options)
    {
        double full = CostModel.Flops(architecture, architecture.FullWidths);
        return options.Ratios.Average(ratios => planner.Plan(Budget.Ratios(ratios)).Flops / full);
    }
}
