using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Core.Search;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Tests.Search;

// Numbers: golden/prune_run, the reference's main program end to end without autocast: 6 images scored, 64 searched on.
[LeakCheck]
public sealed class PruneRunGoldenTests
{
    private const int Blocks = 4;
    private const int Batch = 16;

    /// <summary>All runs of the reference in float32.</summary>
    public static TheoryData<string> Runs { get; } =
        ["timm_vit.fp32", "timm_vit.fp32.cov", "timm_vit.fp32.mse+cos", "timm_vit.fp32.sparse-gpt-dino", "deit_distilled.fp32", "dinov3_mlp.fp32"];

    [Theory, MemberData(nameof(Runs))]
    public void Every_candidate_has_the_reference_s_fitness(string run)
    {
        using Golden golden = Open(run);
        using LoadedModel loaded = Model(run);
        using PreparedImages images = Images();
        using Fitness fitness = new(loaded.Model, Local(loaded), () => images.Batches(Batch), Options(run));
        double[] candidates = golden.Doubles("x"), expected = golden.Doubles("fitness");
        for (int step = 0; step < expected.Length; step++)
        {
            ScoreCoefficients factors = Factors(candidates.AsSpan(step * candidates.Length / expected.Length, candidates.Length / expected.Length));
            Assert.Equal(expected[step], fitness.Evaluate(factors, TestContext.Current.CancellationToken), 1e-4 * expected[step]);
        }
    }

    // As shipped: bfloat16 on another version of torch, whose figures are indicative. Those in float32 differ from them by up to 6e-4.
    [Fact]
    public void Every_candidate_in_bfloat16_has_the_reference_s_fitness_to_two_digits()
    {
        using Golden golden = Open("timm_vit.bf16");
        using LoadedModel loaded = Model("timm_vit.bf16");
        using PreparedImages images = Images();
        using VisionTransformer cast = new(loaded.Model.Weights.To(ScalarType.BFloat16, CPU));
        using Fitness fitness = new(cast, Local(loaded), () => images.Batches(Batch), Options("timm_vit.bf16"));
        double[] candidates = golden.Doubles("x"), expected = golden.Doubles("fitness");
        int n = candidates.Length / expected.Length;
        for (int step = 0; step < expected.Length; step++)
        {
            double found = fitness.Evaluate(Factors(candidates.AsSpan(step * n, n)), TestContext.Current.CancellationToken);
            Assert.Equal(expected[step], found, 5e-3);
        }
    }

    [Theory, MemberData(nameof(Runs)), InlineData("timm_vit.bf16")]
    public void The_search_draws_the_reference_s_candidates_and_means_when_fed_its_normals_and_fitnesses(string run)
    {
        using Golden golden = Open(run);
        double[] expected = golden.Doubles("x"), fitness = golden.Doubles("fitness"), start = golden.Doubles("init_mean");
        double[] means = golden.Names.Contains("mean") ? golden.Doubles("mean") : [];
        Queue<double> normals = new(golden.Doubles("normals"));
        int n = start.Length, compared = 0;
        Close([.. ScoreCoefficients.Initial(Widths(n)).Vector], start, 1e-7);
        Xnes search = new(start, normals.Dequeue, new XnesOptions { Float32Mean = true, InitialA = run.EndsWith(".cov", StringComparison.Ordinal) ? InitialA() : null });
        for (int step = 0; step < fitness.Length; step++)
        {
            Close(expected.AsSpan(step * n, n), search.Ask(), 1e-9);
            search.Tell(fitness[step]);
            if (search.Generation > compared && (compared + 1) * n <= means.Length)
            {
                Close(means.AsSpan(compared++ * n, n), search.Mean, 1e-9);
            }
        }

        Assert.Equal(means.Length, compared * n);
        Assert.Empty(normals);
    }

    [Theory, MemberData(nameof(Runs)), InlineData("timm_vit.bf16")]
    public void The_best_candidate_its_scores_and_what_they_keep_are_the_reference_s(string run)
    {
        using Golden golden = Open(run);
        using LoadedModel loaded = Model(run);
        using PreparedImages images = Images();
        double[] best = golden.Doubles("best_x"), fitness = golden.Doubles("fitness");
        Assert.Equal(best, golden.Doubles("x").AsSpan(Array.IndexOf(fitness, fitness.Min()) * best.Length, best.Length).ToArray());

        ImportanceScores scaled = Local(loaded).Scaled(Factors(best));
        float[] neurons = golden.Floats("mlp_scores"), heads = golden.Floats("head_scores");
        for (int block = 0; block < Blocks; block++)
        {
            ReferenceScale(scaled.Of(Axis.Neurons, block)).ShouldBeWithinEach(1e-4, neurons.AsSpan(block * scaled.Counts[0][Axis.Neurons], scaled.Counts[0][Axis.Neurons]));
            ReferenceScale(scaled.Of(Axis.Heads, block)).ShouldBeWithinEach(1e-4, heads.AsSpan(block * scaled.Counts[0][Axis.Heads], scaled.Counts[0][Axis.Heads]));
        }

        using ElasticViT elastic = new(loaded.Model, scaled, new KeepFloors());
        foreach ((string key, double mlp, double head) in new[] { ("mlp-0.35-heads-0.2", 0.35, 0.2), ("mlp-0.65-heads-0.5", 0.65, 0.5) })
        {
            SubnetPlan plan = elastic.Planner.Plan(Budget.Ratios(mlp, head));
            Assert.Equal(golden.Longs($"pruned.{key}.fc2_cols"), plan.Widths.Select(block => (long)block[Axis.Neurons]));
            Assert.Equal(golden.Longs($"pruned.{key}.proj_cols"), plan.Widths.Select(block => (long)block[Axis.Heads] * loaded.Model.Architecture.HeadDim));
        }
    }

    // With one standard error, half of what searches take, so that some of these candidates, which differ little, are stopped.
    [Fact]
    public void Racing_stops_candidates_of_the_worse_half_alone_and_leaves_the_ranking_of_the_others()
    {
        Assert.InRange(((IEnumerable<string>)[.. Runs.Select(run => run.Data)]).Sum(Stopped), 2, 20);

        static int Stopped(string run)
        {
            using Golden golden = Open(run);
            using LoadedModel loaded = Model(run);
            using PreparedImages images = Images();
            using Fitness fitness = new(loaded.Model, Local(loaded), () => images.Batches(Batch / 8), Options(run));
            Racing racing = new(fitness, TestContext.Current.CancellationToken, standardErrors: 1);
            double[] candidates = golden.Doubles("x"), expected = golden.Doubles("fitness");
            int n = candidates.Length / expected.Length;
            int population = new Xnes(golden.Doubles("init_mean"), () => 0, new XnesOptions()).Population;
            double[] found =
            [
                .. Enumerable.Range(0, expected.Length).Select(step => racing.Evaluate(
                    Factors(candidates.AsSpan(step * n, n)), population)),
            ];
            foreach (int[] generation in Enumerable.Range(0, expected.Length).Chunk(population))
            {
                int counted = (population + 1) / 2;
                Assert.Equal(
                    generation.OrderBy(step => expected[step]).Take(counted), generation.OrderBy(step => found[step]).Take(counted));
            }

            int same = found.Zip(expected).Count(pair => Math.Abs(pair.First - pair.Second) <= 1e-4 * pair.Second);
            Assert.Equal(expected.Length - same, racing.Stopped);
            return racing.Stopped;
        }
    }

    private static Golden Open(string run) => Golden.Open("prune_run", run + ".safetensors");

    private static LoadedModel Model(string run) => Golden.Model(run.Split('.')[0]);

    private static ScoreCoefficients Factors(ReadOnlySpan<double> vector) => new(vector, Widths(vector.Length));

    /// <summary>Widths of a model with so many factors.</summary>
    private static SubnetWidths Widths(int factors) => SubnetWidths.Uniform(Blocks, new BlockWidths { [Axis.Heads] = (factors / Blocks) - 1 });

    private static FitnessOptions Options(string run)
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "prune_run", "index.json")));
        JsonElement facts = index.RootElement.GetProperty(run);
        return new FitnessOptions
        {
            PcaComponents = facts.GetProperty("pca").GetInt32(),
            Losses = [.. facts.GetProperty("losses").EnumerateArray().Select(loss => loss.GetString() == "mse" ? FitnessLoss.MeanSquaredError : FitnessLoss.Cosine)],
        };
    }

    private static PreparedImages Images()
    {
        using Golden inputs = Golden.Open("prune_run", "inputs.safetensors");
        return new PreparedImages(inputs.Float("fit_images"));
    }

    private static ImportanceScores Local(LoadedModel loaded)
    {
        using Golden inputs = Golden.Open("prune_run", "inputs.safetensors");
        using ScoreEstimator estimator = new(loaded.Model, Criterion.Ssl, DistillationPairs.TwoGlobalTenLocal);
        using Tensor crops = inputs.Float("crops");
        estimator.Add(crops);
        return estimator.Scores();
    }

    /// <summary>The run with a covariance starts from the same factor as golden/xnes/sphere_covinit.</summary>
    private static double[,] InitialA()
    {
        using Golden xnes = Golden.Open("xnes", "sphere_covinit.safetensors");
        return xnes.Matrix("init_a");
    }

    /// <summary>The reference sums the gradients of two batches' mean losses, twice the mean here; squared, four times.</summary>
    private static ReadOnlySpan<double> ReferenceScale(ReadOnlySpan<double> scores) => scores.ToArray().Select(score => 4 * score).ToArray();

    private static void Close(ReadOnlySpan<double> expected, ReadOnlySpan<double> found, double relative)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], found[i], relative * Math.Max(1, Math.Abs(expected[i])));
        }
    }
}
