using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Tests.Search;

[LeakCheck]
public sealed class FitnessTests : IDisposable
{
    private const int Count = 12;
    private static readonly ViTArchitecture Vit = SmallModels.Vit;
    private static readonly ImportanceScores Scores = SmallModels.Scores(Vit);
    private static readonly ScoreCoefficients Start = ScoreCoefficients.Initial(Vit.FullWidths);
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly VisionTransformer _model = SmallModels.Create(Vit);
    private readonly PreparedImages _images = new(SmallModels.Images(Vit, Count));

    public void Dispose()
    {
        _model.Dispose();
        _images.Dispose();
    }

    [Theory]
    [InlineData(FitnessLoss.Cosine)]
    [InlineData(FitnessLoss.MeanSquaredError)]
    public void Without_projection_it_is_the_distance_of_the_features_written_out(FitnessLoss loss)
    {
        PruningRatios ratios = new(0.5, 0.25);
        double found = Evaluate(new FitnessOptions { Ratios = [ratios], Losses = [loss] });
        using ElasticViT elastic = new(_model, Scores.Scaled(Start), new KeepFloors());
        using Subnet subnet = elastic.At(Budget.Ratios(ratios));
        double[][] whole = Features(_model), small = Features(subnet.Model);
        Assert.Equal(whole.Zip(small, (a, b) => loss == FitnessLoss.Cosine ? 1 - Cosine(a, b) : a.Zip(b, (x, y) => (x - y) * (x - y)).Average()).Average(), found, 1e-5);
        Assert.True(found > 1e-3);
    }

    [Fact]
    public void The_whole_model_has_no_distance_from_itself()
    {
        foreach (int components in new[] { 4, 16, 192 })
        {
            Assert.Equal(0, Evaluate(new FitnessOptions { Ratios = [new PruningRatios(0, 0)], PcaComponents = components, Losses = [FitnessLoss.Cosine, FitnessLoss.MeanSquaredError] }), 1e-6);
        }
    }

    [Fact]
    public void Losses_are_summed_and_ratios_averaged()
    {
        PruningRatios first = new(0.3, 0), second = new(0.6, 0.5);
        double Of(PruningRatios[] ratios, params FitnessLoss[] losses) => Evaluate(new FitnessOptions { Ratios = ratios, Losses = losses, PcaComponents = 5 });
        double both = Of([first, second], FitnessLoss.Cosine, FitnessLoss.MeanSquaredError);
        double[] parts = [Of([first], FitnessLoss.Cosine), Of([first], FitnessLoss.MeanSquaredError), Of([second], FitnessLoss.Cosine), Of([second], FitnessLoss.MeanSquaredError)];
        Assert.Equal(parts.Sum() / 2, both, 1e-6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100)]
    public void Batches_do_not_matter(int size) =>
        Assert.Equal(Evaluate(new FitnessOptions { PcaComponents = 5 }), Evaluate(new FitnessOptions { PcaComponents = 5 }, size: size), 1e-5);

    [Fact]
    public void Signs_and_the_common_size_of_the_factors_do_not_matter()
    {
        double[] vector = Start.Vector.ToArray();
        double expected = Evaluate(new FitnessOptions());
        Assert.Equal(expected, Evaluate(new FitnessOptions(), Start.With([.. vector.Select((factor, i) => i % 2 == 0 ? -factor : factor)])));
        Assert.Equal(expected, Evaluate(new FitnessOptions(), Start.With([.. vector.Select(factor => 4 * factor)])));
        Assert.NotEqual(expected, Evaluate(new FitnessOptions(), Start.With([.. vector.Reverse()])));
    }

    // Images of the wrong shape fail as soon as one is embedded, so the fault that is told shows that none was.
    [Fact]
    public void More_components_than_images_are_refused_before_any_image_is_embedded()
    {
        SnapViTException fault = Assert.Throws<SnapViTException>(() =>
            new Fitness(_model, Scores, () => [zeros(4, 3, 5, 5), zeros(3, 3, 5, 5)], new FitnessOptions { PcaComponents = 8 }));
        Assert.StartsWith("fitness: expected at least 8 images, as many as PCA components are compared, found 7", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void As_many_components_as_images_are_enough_and_without_projection_one_image_is()
    {
        Assert.True(double.IsFinite(Evaluate(new FitnessOptions { PcaComponents = Count })));
        using Tensor one = _images.Batches(1, cancellation: Stop).First();
        using Fitness fitness = new(_model, Scores, () => [one.alias()], new FitnessOptions { PcaComponents = Vit.EmbedDim });
        Assert.True(double.IsFinite(fitness.Evaluate(Start, Stop)));
    }

    [Fact]
    public void What_counts_against_the_components_is_the_width_of_the_feature_not_of_the_tokens()
    {
        ViTArchitecture clip = SmallModels.Architecture("clip");
        using VisionTransformer model = SmallModels.Create(clip);
        using Tensor two = SmallModels.Images(clip, 2);
        using Fitness fitness = new(model, SmallModels.Scores(clip), () => [two.alias()], new FitnessOptions { PcaComponents = clip.ProjectionDim });
        Assert.True(double.IsFinite(fitness.Evaluate(ScoreCoefficients.Initial(clip.FullWidths), Stop)));
    }

    [Fact]
    public void No_image_is_refused()
    {
        Assert.Contains("at least one image", Assert.Throws<ArgumentException>(() => new Fitness(_model, Scores, () => [], new FitnessOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Empty_options_are_refused_all_at_once()
    {
        FitnessOptions empty = new() { Ratios = [], Losses = [], PcaComponents = 0 };
        SnapViTException fault = Assert.Throws<SnapViTException>(() => new Fitness(_model, Scores, Batches(4), empty));
        Assert.Equal(
            "fitness: expected at least one pair of ratios, found none; expected at least one loss, found none; expected at least one PCA component, found 0", fault.Message);
    }

    [Fact]
    public void A_ratio_that_the_floors_make_impossible_is_refused_and_leaves_nothing_behind()
    {
        using Fitness fitness = new(_model, Scores, Batches(4), new FitnessOptions { Ratios = [new PruningRatios(0.99, 0)], Floors = new KeepFloors(0.5, 0) });
        Assert.Throws<BudgetException>(() => fitness.Evaluate(Start, Stop));
    }

    [Fact]
    public void A_cancelled_evaluation_stops_and_leaves_nothing_behind()
    {
        using CancellationTokenSource stop = new();
        using Fitness fitness = new(_model, Scores, Batches(4), new FitnessOptions());
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => fitness.Evaluate(Start, stop.Token));
        Assert.True(double.IsFinite(fitness.Evaluate(Start, Stop)));
    }

    [Fact]
    public void Evaluations_keep_no_tensors_and_leave_the_model_as_it_was()
    {
        double[] before = [.. Features(_model).SelectMany(feature => feature)];
        using Fitness fitness = new(_model, Scores, Batches(5), new FitnessOptions { PcaComponents = 5 });
        double first = fitness.Evaluate(Start, Stop);
        long tensors = LiveTensors.Undisposed();
        Assert.Equal(first, fitness.Evaluate(Start, Stop));
        Assert.Equal(tensors, LiveTensors.Undisposed());
        Assert.Equal(before, Features(_model).SelectMany(feature => feature));
    }

    [Fact]
    public void A_search_over_it_repeats_continues_and_is_never_worse_than_its_start()
    {
        using Fitness fitness = new(_model, Scores, Batches(6), new FitnessOptions { PcaComponents = 5 });
        SearchOptions options = new() { Evaluations = 14, Seed = 3 };
        SearchResult Run(params double[] known) => CoefficientSearch.Run(Start, candidate => fitness.Evaluate(candidate, Stop), options, known);
        SearchResult whole = Run();
        Assert.Equal(fitness.Evaluate(Start, Stop), whole.History[0]);
        Assert.Equal(fitness.Evaluate(whole.Best, Stop), whole.BestFitness);
        Assert.True(whole.BestFitness <= whole.History[0]);
        Assert.Equal(whole.History, Run().History);
        SearchResult continued = Run([.. whole.History.Take(9)]);
        Assert.Equal(whole.History, continued.History);
        Assert.Equal(whole.Best.Vector.ToArray(), continued.Best.Vector.ToArray());
    }

    private double Evaluate(FitnessOptions options, ScoreCoefficients? factors = null, int size = 4)
    {
        using Fitness fitness = new(_model, Scores, Batches(size), options);
        return fitness.Evaluate(factors ?? Start, Stop);
    }

    private Func<IEnumerable<Tensor>> Batches(int size) => () => _images.Batches(size);

    private double[][] Features(VisionTransformer model)
    {
        using Tensor all = _images.Batches(Count).Single();
        using Tensor features = model.Embed(all);
        return [.. features.data<float>().Select(value => (double)value).Chunk(Vit.EmbedDim)];
    }

    private static double Cosine(double[] a, double[] b) => Dot(a, b) / Math.Sqrt(Dot(a, a) * Dot(b, b));

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
