using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Randomness;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Data;
using SnapViT.Evaluation;
using SnapViT.Importance;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Cli.Roofline;

/// <summary>What stages are measured with.</summary>
/// <param name="Timer">Times them.</param>
/// <param name="Widths">Embed dims of the models that embed; the first one's model is scored, searched, corrected and cut.</param>
/// <param name="ImageSize">Side of the models' images in pixels.</param>
/// <param name="Batches">Images per forward pass.</param>
/// <param name="Precisions">Float32, bfloat16, or both.</param>
/// <param name="Device">Where networks run.</param>
internal sealed record StageSettings(
    StageTimer Timer,
    IReadOnlyList<int> Widths,
    int ImageSize,
    IReadOnlyList<int> Batches,
    IReadOnlyList<(ScalarType Type, string Name)> Precisions,
    Device Device)
{
    /// <summary>The model of an embed dim.</summary>
    public ViTArchitecture Model(int width) => (RandomModel.Of(width) with { ImageSize = ImageSize }).Validated();

    /// <summary>What people call it.</summary>
    public string NameOf(int width)
    {
        string name = width switch
        {
            192 => "ViT-Ti",
            384 => "ViT-S",
            768 => "ViT-B",
            _ => FormattableString.Invariant($"width {width}"),
        };
        return ImageSize == RandomModel.Of(width).ImageSize ? name : FormattableString.Invariant($"{name} of {ImageSize} pixels");
    }
}

/// <summary>The stages of the main job, each on random models and images: what is in them does not change the time.</summary>
internal static class Stages
{
    private const int Batch = 16, SearchBatches = 4, PhotoCount = 64, PhotoWidth = 500, PhotoHeight = 375;
    private const int TrainRows = 50_000, Queries = 10_000, Classes = 1000;
    private const double ForwardAndBackward = 2;

    /// <summary>All stages in the order of the job, and how many rows each has.</summary>
    public static IReadOnlyList<(string Name, Func<StageSettings, IEnumerable<StageRow>> Run)> All { get; } =
    [
        ("decode", Decode), ("preprocess", Preprocess), ("embed", Embed), ("threads", Threads), ("score", Score), ("fitness", Evaluate),
        ("moments", Moments), ("correct", Correct), ("at", Switch), ("cut", Cut), ("export", Export), ("knn", Neighbours),
    ];

    private static double ForwardFlops(ViTArchitecture a) => CostModel.Flops(a, a.FullWidths);

    private static IEnumerable<StageRow> Decode(StageSettings settings)
    {
        ImageEntry[] photos = [.. Enumerable.Range(0, PhotoCount).Select(i =>
            ImageEntry.FromBytes($"{i}.jpg", Photos.Of(i, PhotoWidth, PhotoHeight)))];
        yield return settings.Timer.Time(
            "decode", $"JPEG of {PhotoWidth} x {PhotoHeight}, all threads",
            () => Parallel.ForEach(photos, Options(), photo => photo.Decode()), images: PhotoCount);
    }

    private static ParallelOptions Options() => new() { MaxDegreeOfParallelism = get_num_threads() };

    private static IEnumerable<StageRow> Preprocess(StageSettings settings)
    {
        Preprocessing preprocessing = Preprocessing.Reference;
        RgbImage[] photos = [.. Enumerable.Range(0, PhotoCount).Select(i =>
            ImageEntry.FromBytes($"{i}.jpg", Photos.Of(i, PhotoWidth, PhotoHeight)).Decode())];
        double bytes = PhotoCount * ((3.0 * PhotoWidth * PhotoHeight) + (3.0 * sizeof(float) * preprocessing.Side * preprocessing.Side));
        yield return settings.Timer.Time(
            "preprocess", $"{PhotoWidth} x {PhotoHeight} to {preprocessing.Side}, all threads",
            () => Parallel.ForEach(photos, Options(), photo => preprocessing.Apply(photo)), LimitKind.Memory, bytes, PhotoCount);
    }

    private static IEnumerable<StageRow> Embed(StageSettings settings)
    {
        foreach (int width in settings.Widths)
        {
            ViTArchitecture a = settings.Model(width);
            foreach ((ScalarType precision, string name) in settings.Precisions)
            {
                using VisionTransformer model = RandomModel.Create(a, precision, settings.Device);
                foreach (int batch in settings.Batches)
                {
                    using Tensor images = RandomModel.Images(a, settings.Device, batch);
                    yield return settings.Timer.Time(
                        "embed", $"{settings.NameOf(width)} {name}, batch {batch}", () => model.Embed(images),
                        MachineLimits.KindOf(precision), batch * ForwardFlops(a), batch);
                }
            }
        }
    }

    /// <summary>The same batch with fewer threads.</summary>
    private static IEnumerable<StageRow> Threads(StageSettings settings)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        int all = get_num_threads();
        foreach ((ScalarType precision, string name) in settings.Precisions)
        {
            using VisionTransformer model = RandomModel.Create(a, precision, settings.Device);
            using Tensor images = RandomModel.Images(a, settings.Device, Batch);
            double one = 0;
            for (int threads = 1; threads <= all; threads = threads == all ? all + 1 : Math.Min(all, 2 * threads))
            {
                StageRow row;
                set_num_threads(threads);
                try
                {
                    row = settings.Timer.Time(
                        "threads",
                        FormattableString.Invariant($"{settings.NameOf(settings.Widths[0])} {name}, batch {Batch}, {threads} threads"),
                        () => model.Embed(images), images: Batch);
                }
                finally
                {
                    set_num_threads(all);
                }

                one = threads == 1 ? row.Seconds : one;
                yield return row with { Note = FormattableString.Invariant($"{one / row.Seconds:0.00} times one thread") };
            }
        }
    }

    /// <summary>
    /// Gradients from one global and one local crop of each image. Without them it does not go: one forward pass of the teacher, one of the
    /// student, the backward pass to every activation, and the weight gradients or second moments that the criterion reads.
    /// </summary>
    private static IEnumerable<StageRow> Score(StageSettings settings)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        DistillationPairs pairs = DistillationPairs.OnePair;
        double rows = (double)a.Tokens * a.Depth;
        double toActivations = ForwardFlops(a) * (pairs.TeacherViews + (ForwardAndBackward * pairs.StudentViews));
        double ofWeights = 2 * rows * a.EmbedDim * (a.MlpDim + a.EmbedDim), ofOutputs = 4 * rows * a.EmbedDim * a.EmbedDim;
        foreach ((ScalarType precision, string name) in settings.Precisions)
        {
            using VisionTransformer model = RandomModel.Create(a, precision, settings.Device);
            using Tensor crops = RandomModel.Images(a, settings.Device, Batch, pairs.Views);
            StageRow? plain = null;
            foreach (Criterion criterion in new[] { Criterion.Ssl, Criterion.Fisher })
            {
                using ScoreEstimator estimator = new(model, criterion, pairs);
                StageRow row = Time(criterion.Name, () => estimator.Add(crops), ofWeights);
                plain ??= row;
                yield return row == plain
                    ? row
                    : row with { Note = FormattableString.Invariant($"{row.Seconds / plain.Seconds:0.00} times {Criterion.Ssl.Name}") };
            }

            using CurvatureEstimator curvature = new(model);
            yield return Time(Criterion.Curvature.Name, () => curvature.Add(crops, pairs), ofOutputs);

            StageRow Time(string criterion, Action work, double more) => settings.Timer.Time(
                "score", $"{settings.NameOf(settings.Widths[0])} {name}, {criterion}, batch {Batch}", work, MachineLimits.KindOf(precision),
                Batch * (toActivations + (more * pairs.StudentViews)), Batch);
        }
    }

    /// <summary>One candidate of the search: sort by its factors, cut at every ratio, embed, compare.</summary>
    private static IEnumerable<StageRow> Evaluate(StageSettings settings)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        ImportanceScores scores = RandomModel.Scores(a);
        ScoreCoefficients factors = ScoreCoefficients.Initial(a.FullWidths);
        int count = Batch * SearchBatches;
        FitnessOptions options = new() { PcaComponents = count };
        SubnetPlanner planner = new(a, scores.Scaled(factors), options.Floors);
        double flops = options.Ratios.Sum(ratios => (double)planner.Plan(Budget.Ratios(ratios)).Flops);
        foreach ((ScalarType precision, string name) in settings.Precisions)
        {
            using VisionTransformer model = RandomModel.Create(a, precision, settings.Device);
            using PreparedImages photos = new(RandomModel.Images(a, CPU, count));
            using Fitness fitness = new(model, scores, () => photos.Batches(Batch, settings.Device), options);
            yield return settings.Timer.Time(
                "fitness", $"{settings.NameOf(settings.Widths[0])} {name}, {count} images, {options.Ratios.Count} sub-networks",
                () => fitness.Evaluate(factors), MachineLimits.KindOf(precision), count * flops, count);
        }
    }

    /// <summary>Second moments of what the layers that pruning shortens read: a forward pass and a product of each with itself.</summary>
    private static IEnumerable<StageRow> Moments(StageSettings settings)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        double squares = 2.0 * a.Tokens * a.Depth * (((double)a.MlpDim * a.MlpDim) + ((double)a.EmbedDim * a.EmbedDim));
        foreach ((ScalarType precision, string name) in settings.Precisions)
        {
            using VisionTransformer model = RandomModel.Create(a, precision, settings.Device);
            using Tensor images = RandomModel.Images(a, settings.Device, Batch);
            using CalibrationMoments moments = new(a, device: settings.Device);
            yield return settings.Timer.Time(
                "moments", $"{settings.NameOf(settings.Widths[0])} {name}, batch {Batch}", () => moments.Add(model, images),
                MachineLimits.KindOf(precision), Batch * (ForwardFlops(a) + squares), Batch) with
            {
                Note = "products of float32",
            };
        }
    }

    /// <summary>The closed form: factors of all layers once, then every budget.</summary>
    private static IEnumerable<StageRow> Correct(StageSettings settings)
    {
        ViTArchitecture a = settings.Model(settings.Widths[0]);
        ImportanceScores scores = RandomModel.Scores(a);
        SubnetWidths widths = new SubnetPlanner(a, scores, new KeepFloors()).Plan(Budget.Ratios(0.45, 0.3)).Widths;
        using VisionTransformer model = RandomModel.Create(a, ScalarType.Float32, settings.Device);
        using Tensor images = RandomModel.Images(a, settings.Device, Batch);
        using CalibrationMoments moments = new(a, device: settings.Device);
        moments.Add(model, images);
        string name = $"{settings.NameOf(settings.Widths[0])}, ratios 0.45 and 0.3";
        yield return settings.Timer.Time("correct", $"{name}, first budget", () =>
        {
            using ElasticCorrection fresh = Correction();
            Solve(fresh);
        });
        using ElasticCorrection correction = Correction();
        yield return settings.Timer.Time("correct", $"{name}, further budget", () => Solve(correction));

        ElasticCorrection Correction() => new(model.Weights, moments, new ImportanceOrder(scores), new CorrectionOptions());

        void Solve(ElasticCorrection with)
        {
            foreach (Tensor tensor in with.At(widths).Values)
            {
                tensor.Dispose();
            }
        }
    }

    /// <summary>From one budget to the next, as views.</summary>
    private static IEnumerable<StageRow> Switch(StageSettings settings)
    {
        foreach (int width in settings.Widths)
        {
            using ElasticViT elastic = Elastic(width, settings);
            int run = 0;
            yield return settings.Timer.Time("at", $"{settings.NameOf(width)}, At(FLOPs)", () => elastic.At(AnyBudget(run++)).Dispose());
            SubnetPlan plan = elastic.Plan(Budget.Flops(0.6));
            yield return settings.Timer.Time("at", $"{settings.NameOf(width)}, At(plan)", () => elastic.At(plan).Dispose());
        }
    }

    /// <summary>A sub-network as tensors of its own, and as a file.</summary>
    private static IEnumerable<StageRow> Cut(StageSettings settings)
    {
        using ElasticViT elastic = Elastic(settings.Widths[^1], settings);
        SubnetPlan plan = elastic.Plan(Budget.Flops(0.6));
        double bytes = (double)sizeof(float) * plan.Parameters;
        string name = $"{settings.NameOf(settings.Widths[^1])} at 0.6 of the FLOPs";
        yield return settings.Timer.Time(
            "cut", $"{name}, copied", () => elastic.Cut(plan).Dispose(), LimitKind.Memory, 2 * bytes);
        using Subnet subnet = elastic.Cut(plan);
        foreach (StageRow row in InFolder(folder => settings.Timer.Time(
            "cut", $"{name}, safetensors", () => subnet.Save(Path.Combine(folder, "small.safetensors")), LimitKind.Memory, 2 * bytes)))
        {
            yield return row;
        }
    }

    private static IEnumerable<StageRow> Export(StageSettings settings)
    {
        using ElasticViT elastic = Elastic(settings.Widths[^1], settings);
        SubnetPlan plan = elastic.Plan(Budget.Flops(0.6));
        using Subnet subnet = elastic.At(plan);
        return InFolder(folder => settings.Timer.Time(
            "export", $"{settings.NameOf(settings.Widths[^1])} at 0.6 of the FLOPs, ONNX",
            () => subnet.ToOnnx(Path.Combine(folder, "small.onnx")), LimitKind.Memory, 2.0 * sizeof(float) * plan.Parameters));
    }

    private static IEnumerable<StageRow> Neighbours(StageSettings settings)
    {
        int width = settings.Widths[^1];
        SeededRandom random = new(6);
        using Tensor train = RandomModel.Normal([TrainRows, width], seed: 7, settings.Device);
        using Tensor queries = RandomModel.Normal([Queries, width], seed: 8, settings.Device);
        using NearestNeighbours neighbours = new(train, [.. Enumerable.Range(0, TrainRows).Select(_ => random.NextInt(Classes))]);
        yield return settings.Timer.Time(
            "knn", FormattableString.Invariant($"{TrainRows} x {Queries} x {width}, exact, k = {NearestNeighbours.PaperNeighbours}"),
            () => neighbours.Predict(queries), LimitKind.GemmFp32, 2.0 * TrainRows * Queries * width);
    }

    private static ElasticViT Elastic(int width, StageSettings settings)
    {
        ViTArchitecture a = settings.Model(width);
        using VisionTransformer model = RandomModel.Create(a, ScalarType.Float32, settings.Device);
        return new ElasticViT(model, RandomModel.Scores(a), new KeepFloors());
    }

    private static Budget AnyBudget(int run) => Budget.Flops(0.5 + (0.5 * (run * 37 % 100) / 100));

    private static List<StageRow> InFolder(Func<string, StageRow> measure)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("snapvit-bench-");
        try
        {
            return [measure(folder.FullName)];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
