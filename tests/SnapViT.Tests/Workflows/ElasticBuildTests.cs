using System.Collections.Concurrent;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Workflows;
using TorchSharp;

namespace SnapViT.Tests.Workflows;

[LeakCheck]
public sealed class ElasticBuildTests : IDisposable
{
    private readonly BuildSite _site = new();

    public void Dispose() => _site.Dispose();

    [Theory]
    [InlineData("ssl", CropProtocol.Reference)]
    [InlineData("fisher", CropProtocol.Reference)]
    [InlineData("ssl", CropProtocol.Independent)]
    [InlineData("curvature", CropProtocol.Reference)]
    public void The_same_command_gives_the_same_bytes(string criterion, CropProtocol crops)
    {
        BuildOptions options = BuildSite.Options with { Criterion = criterion == "curvature" ? new CurvatureCriterion { FeatureShare = 0.3 } : Criterion.Named(criterion), Crops = crops };
        _site.Build(options);
        byte[] first = File.ReadAllBytes(_site.Out);
        _site.Build(options);
        Assert.Equal(first, File.ReadAllBytes(_site.Out));
    }

    [Fact]
    public void Another_seed_gives_other_scores()
    {
        ElasticScores first = _site.Build().Scores;
        ElasticScores second = _site.Build(BuildSite.Options with { Seed = 43 }).Scores;
        Assert.NotEqual(first.Local.Of(Axis.Neurons, 0).ToArray(), second.Local.Of(Axis.Neurons, 0).ToArray());
    }

    [Fact]
    public void The_scores_file_says_what_it_was_made_of()
    {
        BuildResult result = _site.Build();
        ElasticScores saved = ElasticScores.Load(_site.Out);
        Assert.Equal(result.Scores.Coefficients.Vector.ToArray(), saved.Coefficients.Vector.ToArray());
        Assert.Equal(ModelFile.Hash(_site.ModelPath), saved.Provenance[ElasticScores.ModelHash]);
        string[] facts = ["8", "ssl", "reference", "6", "42", "4", "cpu", "fp32", "cosine"];
        string[] keys = ["images", "criterion", "crops", "evaluations", "seed", "batch", "device", "precision", "losses"];
        Assert.Equal(facts, keys.Select(key => saved.Provenance[key]), StringComparer.OrdinalIgnoreCase);
        Assert.Equal(64, saved.Provenance["images_sha256"].Length);
    }

    [Fact]
    public void Second_moments_are_of_random_views_where_the_options_say_so()
    {
        BuildOptions whole = BuildSite.Options with { Evaluations = 0, KeepMoments = true }, views = whole with { CalibrationViews = 3 };
        StoredMoments ofViews = _site.Build(views).Scores.Moments!;
        byte[] first = File.ReadAllBytes(_site.Out);
        _site.Build(views);
        Assert.Equal(first, File.ReadAllBytes(_site.Out));
        Assert.Equal("8 images, 3 random views, prefix weight 20", ElasticScores.Load(_site.Out).Provenance["calibration"]);
        StoredMoments ofImages = _site.Build(whole).Scores.Moments!;
        Assert.Equal((24, 8), (ofViews.Images, ofImages.Images));
        Assert.Equal(3 * ofImages.Fc2(0).Weight, ofViews.Fc2(0).Weight, 6);
        Assert.NotEqual(ofImages.Fc2(0).Mean, ofViews.Fc2(0).Mean);
    }

    [Fact]
    public void Whole_images_have_their_share_of_the_weight_beside_the_views()
    {
        BuildOptions whole = BuildSite.Options with { Evaluations = 0, KeepMoments = true }, views = whole with { CalibrationViews = 3 };
        StoredMoments ofImages = _site.Build(whole).Scores.Moments!, ofViews = _site.Build(views).Scores.Moments!;
        StoredMoments ofBoth = _site.Build(views with { WholeImageShare = 0.25 }).Scores.Moments!;
        Assert.Equal("8 images, 3 random views, 0.25 of the weight on whole images, prefix weight 20", ElasticScores.Load(_site.Out).Provenance["calibration"]);
        Assert.Equal(32, ofBoth.Images);
        Assert.Equal(ofViews.Fc2(0).Weight / 0.75, ofBoth.Fc2(0).Weight, 1e-6);
        Assert.All(ofBoth.Fc2(0).Mean.Select((mean, input) => (mean, 0.25 * ofImages.Fc2(0).Mean[input] + 0.75 * ofViews.Fc2(0).Mean[input])), pair => Assert.Equal(pair.Item2, pair.mean, 1e-6));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void Whole_images_cannot_have_more_than_a_share(double share) => Assert.Contains(
        "whole image share: expected 0 or more and below 1, found",
        Assert.Throws<SnapViTException>(() => (BuildSite.Options with { WholeImageShare = share }).Validated()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void The_first_share_of_the_neurons_goes_by_the_features_and_heads_by_the_loss()
    {
        BuildOptions loss = BuildSite.Options with { Criterion = Criterion.Curvature, Evaluations = 0 };
        ImportanceScores byLoss = _site.Build(loss).Scores.Local;
        ImportanceScores byFeatures = _site.Build(loss with { Criterion = new CurvatureCriterion { FeatureShare = 1 } }).Scores.Local, both = _site.Build(loss with { Criterion = new CurvatureCriterion { FeatureShare = 0.3 } }).Scores.Local;
        Assert.Equal("0.3", ElasticScores.Load(_site.Out).Provenance["feature_share"]);
        int first = (int)(0.3 * byLoss.Depth * byLoss.Counts[0][Axis.Neurons]);
        Assert.Equal(Removed(byFeatures).Take(first), Removed(both).Take(first));
        Assert.NotEqual(Removed(byLoss).Take(first), Removed(both).Take(first));
        Assert.Equal(Removed(byLoss).Except(Removed(both).Take(first)), Removed(both).Skip(first));
        Assert.Equal(byLoss.Of(Axis.Heads, 0).ToArray(), both.Of(Axis.Heads, 0).ToArray());
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_feature_share_out_of_range_is_refused(double share) => Assert.Contains(
        "feature share: expected 0..1, found",
        Assert.Throws<SnapViTException>(() => (BuildSite.Options with { Criterion = new CurvatureCriterion { FeatureShare = share } }).Validated()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_negative_number_of_views_is_refused() => Assert.Contains(
        "calibration views: expected 0 or more, found -1",
        Assert.Throws<SnapViTException>(() => (BuildSite.Options with { CalibrationViews = -1 }).Validated()).Message,
        StringComparison.Ordinal);

    [Fact]
    public void The_search_starts_at_c0_and_returns_the_best_it_saw()
    {
        BuildResult result = _site.Build();
        Assert.Equal(7, result.Search!.History.Count);
        Assert.Equal(result.Search!.History.Min(), result.Search!.BestFitness);
        Assert.True(result.Search!.BestFitness <= result.Search!.History[0]);
    }

    [Fact]
    public void Without_evaluations_the_factors_stay_at_their_start()
    {
        BuildResult result = _site.Build(BuildSite.Options with { Evaluations = 0 });
        Assert.Equal(ScoreCoefficients.Initial(result.Scores.Local.Counts).Vector.ToArray(), result.Scores.Coefficients.Vector.ToArray());
        Assert.Null(result.Search);
    }

    [Fact]
    public void A_finished_build_leaves_its_result_and_nothing_else()
    {
        _site.Build();
        Assert.Equal(["model.safetensors", "scores.safetensors"], _site.Files());
    }

    [Fact]
    public void A_result_that_cannot_be_written_leaves_the_unfinished_state()
    {
        Directory.CreateDirectory(_site.Out);
        IOException exception = Assert.Throws<IOException>(() => _site.Build());
        Assert.Contains(_site.Out, exception.Message, StringComparison.Ordinal);
        Assert.Equal(["model.safetensors", "scores.safetensors.unfinished"], _site.Files());
        Directory.Delete(_site.Out);
        Assert.Equal(7, _site.Build().Continued);
    }

    [Fact]
    public void A_model_that_was_cut_already_is_refused()
    {
        SmallModels.Save(_site.ModelPath, SmallModels.Vit, SmallModels.Uneven(SmallModels.Vit));
        SnapViTException exception = Assert.Throws<SnapViTException>(() => _site.Build());
        Assert.Contains($"{_site.ModelPath}: expected an unpruned model", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Floors_that_a_ratio_of_the_search_breaks_are_refused_before_any_image_is_read()
    {
        BuildOptions options = BuildSite.Options with { Fitness = new FitnessOptions { Floors = new KeepFloors(0.5, 0) } };
        Directory.Delete(_site.Images, recursive: true);
        Directory.CreateDirectory(_site.Images);
        File.WriteAllText(Path.Combine(_site.Images, "none.png"), "no image");
        BudgetException exception = Assert.Throws<BudgetException>(() => _site.Build(options));
        Assert.Equal("neurons: a ratio of 0.55 removes 39, but the floors of the blocks leave only 36 to remove", exception.Message);
        Assert.Equal(["model.safetensors"], _site.Files());
    }

    [Fact]
    public void Fewer_images_than_components_are_refused_before_any_is_read()
    {
        BuildOptions options = BuildSite.Options with { Fitness = new FitnessOptions { PcaComponents = 9 } };
        SnapViTException exception = Assert.Throws<SnapViTException>(() => _site.Build(options));
        Assert.StartsWith("samples: expected at least 9 images", exception.Message, StringComparison.Ordinal);
        Assert.EndsWith("of features of width 16, found 8", exception.Message, StringComparison.Ordinal);
        Assert.Equal(["model.safetensors"], _site.Files());
        Assert.Equal(7, _site.Build(options with { Samples = 10 }).Search!.History.Count);
    }

    [Fact]
    public void One_broken_image_among_many_is_named_and_left_out()
    {
        using BuildSite site = new(images: 20);
        string broken = Path.Combine(site.Images, "0007.png");
        File.WriteAllBytes(broken, File.ReadAllBytes(broken).AsSpan(0, 100));
        BuildResult result = site.Build(BuildSite.Options with { Samples = 20 });
        Assert.Equal(["0007.png"], result.Skipped.Select(file => file.Name));
    }

    [Fact]
    public void Too_many_broken_images_are_an_error_that_leaves_no_file()
    {
        foreach (string file in Directory.EnumerateFiles(_site.Images).Order(StringComparer.Ordinal).Take(5))
        {
            File.WriteAllText(file, "no image");
        }

        ImageException exception = Assert.Throws<ImageException>(() => _site.Build(BuildSite.Options with { Samples = 10 }));
        Assert.Contains("0000.png: more than 10", exception.Message, StringComparison.Ordinal);
        Assert.Equal(["model.safetensors"], _site.Files());
    }

    [Theory]
    [MemberData(nameof(Reading))]
    public void Every_photo_is_decoded_once_whatever_the_build_makes_of_it(BuildOptions options)
    {
        ConcurrentDictionary<string, int> opened = [];
        ImageSet folder = ImageSet.FromFolder(_site.Images);
        _site.Set = new ImageSet(folder.Source, folder.Entries.Select(entry => ImageEntry.FromStream(entry.Name, entry.Length, () =>
        {
            opened.AddOrUpdate(entry.Name, 1, (_, times) => times + 1);
            return entry.Open();
        })));
        List<WorkProgress> photos = [];
        _site.Build(options, told =>
        {
            if (told.Stage == "photos")
            {
                photos.Add(told);
            }
        });
        Assert.Equal(options.Samples, opened.Count);
        Assert.All(opened.Values, count => Assert.Equal(1, count));
        Assert.Equal(photos.Select(told => told.Done).Distinct().Order(), photos.Select(told => told.Done));
        Assert.Equal((options.Samples, options.Samples), (photos[^1].Done, photos[^1].Total));
    }

    public static TheoryData<BuildOptions> Reading => [
        BuildSite.Options,
        BuildSite.Options with { Evaluations = 0, Criterion = new CurvatureCriterion { FeatureShare = 0.3 }, CalibrationViews = 3, WholeImageShare = 0.2, CalibrationImages = 5, KeepMoments = true },
        BuildSite.Options with { Criterion = new CurvatureCriterion { FeatureShare = 0.3 }, CalibrationViews = 2, Correction = new CorrectionOptions(), CalibrationImages = 5 },
        BuildSite.Options with { Crops = CropProtocol.Independent, KeepMoments = true, Correction = new CorrectionOptions(), CalibrationViews = 3, WholeImageShare = 0.5 }];

    [Fact]
    public void Scores_from_weights_alone_open_no_photo()
    {
        _site.Set = new ImageSet("unreadable", Enumerable.Range(0, 3).Select(i => ImageEntry.FromStream($"{i}", 1, () => throw new InvalidOperationException("opened"))));
        Assert.Empty(_site.Build(BuildSite.Options with { Criterion = Criterion.Lamp, Evaluations = 0 }).Skipped);
    }

    [Fact]
    public void Every_option_that_numbers_depend_on_stands_in_the_provenance()
    {
        BuildOptions options = new() { KeepMoments = true, CalibrationViews = 2 };
        BuildOptions[] changed = [
            options with { Evaluations = 1 }, options with { Criterion = Criterion.Fisher }, options with { Normalisation = ScoreNormalisation.Block },
            options with { Crops = CropProtocol.Independent }, options with { Correction = new CorrectionOptions() }, options with { Seed = 1 },
            options with { BatchSize = 1 }, options with { Precision = torch.ScalarType.BFloat16 }, options with { Device = new torch.Device(DeviceType.CUDA) },
            options with { Fitness = new FitnessOptions { Ratios = [new(0.1, 0)] } }, options with { Fitness = new FitnessOptions { PcaComponents = 3 } },
            options with { Fitness = new FitnessOptions { Losses = [FitnessLoss.MeanSquaredError] } }, options with { Fitness = new FitnessOptions { Floors = new KeepFloors(0.1, 0.1) } },
            options with { CalibrationViews = 3 }, options with { WholeImageShare = 0.1 }, options with { PrefixWeights = new PrefixWeights(3) },
            options with { Search = new SearchOptions { Spread = 2 } }];
        BuildOptions[] ofSearch = [
            options with { Search = new SearchOptions { Population = 9 } }, options with { Search = new SearchOptions { Start = (1, 1) } },
            options with { Search = new SearchOptions { Patience = 9 } }, options with { Search = new SearchOptions { HeldOutShare = 0.5 } },
            options with { Search = new SearchOptions { Covariance = new InitialCovariance(new double[1, 1]) } },
            options with { Search = new SearchOptions { Racing = true } }];
        Assert.Equal(ofSearch.Length, ofSearch.Select(Text).Except([Text(options)]).Distinct().Count());
        Assert.Equal(changed.Length, changed.Select(Text).Except([Text(options)]).Distinct().Count());

        // Samples, calibration and frontier images are there as the numbers of images that were used; whether moments are kept changes no number, and
        // whether head dimensions are sorted, and what latencies a frontier followed, stands there where they are; memory stands there as the batch.
        string[] known = ["Samples", "CalibrationImages", "FrontierImages", "KeepMoments", "SortHeadDims", "Latency", "Memory"];
        Assert.Equal(changed.Length, typeof(BuildOptions).GetProperties().Where(property => property.CanWrite).Select(property => property.Name).Except(known).Count() + 3);

        static string Text(BuildOptions options) => string.Join(';', options.Describe()) + CalibrationRun.Describe(1, options);
    }

    [Fact]
    public void A_criterion_from_elsewhere_builds_with_its_own_options_in_the_provenance()
    {
        BuildOptions options = BuildSite.Options with { Criterion = new BrightnessCriterion { Contrast = 3 }, Evaluations = 0, KeepMoments = true };
        BuildResult result = _site.Build(options);
        IReadOnlyDictionary<string, string> provenance = ElasticScores.Load(_site.Out).Provenance;
        Assert.Equal(("brightness", "3", "none"), (provenance["criterion"], provenance["contrast"], provenance["feature_share"]));
        Assert.Equal(3 * 8, result.Scores.Local.Of(Axis.Neurons, 0)[0]);
        Assert.NotEqual(0, result.Scores.Local.Of(Axis.Neurons, 0)[1]);
        Assert.Equal("contrast: expected 1 or more, found 0", Assert.Throws<SnapViTException>(() => (options with { Criterion = new BrightnessCriterion() }).Validated()).Message);
    }

    [Fact]
    public void A_thousand_images_need_no_more_tensors_than_a_hundred()
    {
        using BuildSite site = new(images: 1000);
        long Peak(int samples)
        {
            long most = 0;
            site.Build(BuildSite.Options with { Samples = samples, Evaluations = 1, BatchSize = 32 }, _ => most = Math.Max(most, torch.Tensor.TotalCount));
            return most;
        }

        Peak(100);
        Assert.Equal(Peak(100), Peak(1000));
    }

    /// <summary>Block and index of all neurons as they are removed.</summary>
    private static (int Block, int Index)[] Removed(ImportanceScores scores) =>
    [
        .. Enumerable.Range(0, scores.Depth).SelectMany(block => Enumerable.Range(0, scores.Counts[0][Axis.Neurons]).Select(index => (Block: block, Index: index)))
            .OrderBy(neuron => scores.Of(Axis.Neurons, neuron.Block)[neuron.Index]).ThenByDescending(neuron => neuron.Block).ThenByDescending(neuron => neuron.Index),
    ];

    /// <summary>A criterion of this test alone: it reads whole images and second moments, and has an option.</summary>
    private sealed record BrightnessCriterion : Criterion
    {
        public BrightnessCriterion()
            : base("brightness", "how bright the photos are") => NeedsMoments = true;

        public int Contrast { get; init; }

        internal override IReadOnlyDictionary<string, string> Describe() => new Dictionary<string, string> { ["contrast"] = $"{Contrast}" };

        internal override IEnumerable<string> Faults() => Contrast < 1 ? [$"contrast: expected 1 or more, found {Contrast}"] : [];

        internal override CriterionRun Start(CriterionInput input) => new Run(this, input);

        private sealed class Run(BrightnessCriterion criterion, CriterionInput input) : CriterionRun
        {
            private long _images;
            private double _brightness;

            public override IReadOnlyList<ImageConsumer> Consumers => [input.OfWhole(input.Images, Add)];

            public override ImportanceScores Scores(CalibrationMoments? moments, Action<int, int>? told = null)
            {
                ImportanceScores equal = RandomScores.Of(input.Weights.Architecture, input.Seed);
                double[,] neurons = new double[equal.Depth, equal.Counts[0][Axis.Neurons]];
                neurons[0, 0] = criterion.Contrast * _images;
                neurons[0, 1] = Math.Abs(_brightness) * moments!.Images;
                return equal.With(Axis.Neurons, neurons);
            }

            public override void Dispose()
            {
            }

            private void Add(ImageBatch batch)
            {
                _images += batch.Entries.Count;
                using torch.Tensor sum = batch.Images.sum();
                _brightness += sum.item<float>();
            }
        }
    }
}
