using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Core.Search;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Search;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Search;

// Numbers: golden/prune_run, the reference's main program end to end on timm_vit without autocast: 6 images scored, 64 searched on.
public sealed class FitnessTests
{
    private const int Batch = 16;

    public static TheoryData<string, bool> Runs => new() { { "timm_vit.fp32", false }, { "timm_vit.fp32.cov", false }, { "timm_vit.fp32.mse+cos", true } };

    [Theory, LeakCheck, MemberData(nameof(Runs))]
    public void Every_candidate_has_the_reference_s_fitness(string run, bool bothLosses)
    {
        using Golden golden = Golden.Open("prune_run", run + ".safetensors");
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel loaded = Golden.TimmVit();
        using PreparedImages images = Images();
        using Fitness fitness = new(loaded.Model, Local(loaded), () => images.Batches(Batch), Options(bothLosses));
        double[] candidates = golden.Doubles("x"), expected = golden.Doubles("fitness");
        int length = candidates.Length / expected.Length;
        for (int step = 0; step < expected.Length; step++)
        {
            ScoreCoefficients factors = new(candidates.AsSpan(step * length, length), 4, 4);
            Assert.Equal(expected[step], fitness.Evaluate(factors, TestContext.Current.CancellationToken), 1e-4);
        }
    }

    [Theory, LeakCheck]
    [InlineData("timm_vit.fp32")]
    [InlineData("timm_vit.fp32.cov")]
    public void The_search_draws_the_reference_s_candidates_when_fed_its_normals_and_fitnesses(string run)
    {
        using Golden golden = Golden.Open("prune_run", run + ".safetensors");
        double[] expected = golden.Doubles("x"), fitness = golden.Doubles("fitness");
        Queue<double> normals = new(golden.Doubles("normals"));
        int n = expected.Length / fitness.Length;
        Xnes search = new(golden.Doubles("init_mean"), normals.Dequeue, new XnesOptions { Float32Mean = true, InitialA = run.EndsWith("cov", StringComparison.Ordinal) ? InitialA() : null });
        for (int step = 0; step < fitness.Length; step++)
        {
            double[] candidate = search.Ask();
            for (int i = 0; i < n; i++)
            {
                Assert.Equal(expected[(step * n) + i], candidate[i], 1e-9 * Math.Max(1, Math.Abs(candidate[i])));
            }

            search.Tell(fitness[step]);
        }
    }

    [Theory, LeakCheck]
    [InlineData("timm_vit.fp32")]
    public void The_best_candidate_s_scores_are_the_reference_s(string run)
    {
        using Golden golden = Golden.Open("prune_run", run + ".safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        ImportanceScores local = Local(loaded);
        ImportanceScores scaled = local.Scaled(new ScoreCoefficients(golden.Doubles("best_x"), 4, 4));
        float[] neurons = golden.Floats("mlp_scores"), heads = golden.Floats("head_scores");
        for (int block = 0; block < 4; block++)
        {
            // The reference sums the gradients of two batches' mean losses, twice the mean here; squared, four times.
            double[] ours = [.. scaled.Neurons(block).ToArray().Select(score => 4 * score)];
            ((ReadOnlySpan<double>)ours).ShouldBeWithinEach(1e-4, neurons.AsSpan(block * 192, 192));
            double[] ourHeads = [.. scaled.Heads(block).ToArray().Select(score => 4 * score)];
            ((ReadOnlySpan<double>)ourHeads).ShouldBeWithinEach(1e-4, heads.AsSpan(block * 4, 4));
        }
    }

    [Fact, LeakCheck]
    public void More_components_than_images_are_refused_before_any_image_is_embedded()
    {
        using LoadedModel loaded = Golden.TimmVit();
        using PreparedImages images = Images();
        int started = 0;
        ArgumentException fault = Assert.Throws<ArgumentException>(() => new Fitness(loaded.Model, Local(loaded), Few, Options(bothLosses: false)));
        Assert.Contains("PCA", fault.Message, StringComparison.Ordinal);
        Assert.Equal(1, started);

        IEnumerable<Tensor> Few()
        {
            started++;
            return images.Batches(Batch).Take(0).Append(images.Batches(8).First());
        }
    }

    private static FitnessOptions Options(bool bothLosses) => new()
    {
        PcaComponents = bothLosses ? 64 : 16,
        Losses = bothLosses ? [FitnessLoss.MeanSquaredError, FitnessLoss.Cosine] : [FitnessLoss.Cosine],
        Floors = new KeepFloors(),
    };

    private static PreparedImages Images()
    {
        using Golden inputs = Golden.Open("prune_run", "inputs.safetensors");
        return new PreparedImages(inputs.Float("fit_images"));
    }

    private static ImportanceScores Local(LoadedModel loaded)
    {
        using Golden inputs = Golden.Open("prune_run", "inputs.safetensors");
        using ScoreEstimator estimator = new(loaded.Model, ScoreCriterion.Ssl, DistillationPairs.TwoGlobalTenLocal);
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
}
