using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Core.Randomness;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Evaluation;

/// <summary>
/// How one linear layer is trained on frozen features, by stochastic gradient descent with momentum on the mean cross-entropy (method of
/// the paper, section 4). Immutable; the defaults are the settings of the paper's code.
/// </summary>
public sealed record LinearProbeOptions
{
    /// <summary>
    /// Shuffled batches, standardised features, and of six learning rates from 0.001 to 0.3 the one that is best on a fifth of the training
    /// images; the winner is trained on all of them.
    /// </summary>
    public static LinearProbeOptions Recommended { get; } = new()
    {
        LearningRates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
        IsShuffled = true,
        IsStandardised = true,
    };

    /// <summary>
    /// The settings of the reference (method of the paper, section 4): one learning rate, features as they are, images in their order. It
    /// chooses nothing on test images, as the reference does.
    /// </summary>
    public static LinearProbeOptions Reference { get; } = new();

    /// <summary>Learning rates that are compared, each above 0; default 0.001 alone.</summary>
    public IReadOnlyList<double> LearningRates { get; init; } = [0.001];

    /// <summary>Weight decay, 0 or more, added to the gradients of weights and biases; default none.</summary>
    public double WeightDecay { get; init; }

    /// <summary>
    /// Passes over the training images, at least 1; the learning rate falls from one to the next by a cosine to 0. Default 100.
    /// </summary>
    public int Epochs { get; init; } = 100;

    /// <summary>
    /// Images of a step, at least 1, or patches where patches are classified; the last step of a pass may have fewer. Default 256.
    /// </summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>Momentum, 0 or more and below 1; default 0.9.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>Whether the images are in another order in every pass; default no.</summary>
    public bool IsShuffled { get; init; }

    /// <summary>Whether features get the mean 0 and the variance 1 over the training images; default no.</summary>
    public bool IsStandardised { get; init; }

    /// <summary>
    /// Share of the training images of every class on which learning rates are compared, where there are several, above 0 and below 1;
    /// default a fifth. Where patches are classified it is a share of whole images, so that patches of one image are never on both sides.
    /// </summary>
    public double ValidationShare { get; init; } = 0.2;

    /// <summary>Checks the options.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="SnapViTException">One is out of range; the message lists all violations.</exception>
    internal LinearProbeOptions Validated()
    {
        List<string> faults = [];
        Require(LearningRates.Count > 0, "expected at least one learning rate, found none");
        Require(
            LearningRates.All(rate => rate > 0 && double.IsFinite(rate)),
            $"expected learning rates above 0, found {string.Join(", ", LearningRates.Select(Said))}");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), $"expected a weight decay of 0 or more, found {Said(WeightDecay)}");
        Require(Epochs >= 1, $"expected at least 1 epoch, found {Epochs}");
        Require(BatchSize >= 1, $"expected a batch of at least 1, found {BatchSize}");
        Require(Momentum is >= 0 and < 1, $"expected a momentum of 0 or more and below 1, found {Said(Momentum)}");
        Require(ValidationShare is > 0 and < 1, $"expected a validation share above 0 and below 1, found {Said(ValidationShare)}");
        return faults.Count == 0 ? this : throw new SnapViTException(ErrorKind.Option, $"linear probe: {string.Join("; ", faults)}");

        static string Said(double value) => value.ToString(CultureInfo.InvariantCulture);

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }
}

/// <summary>
/// One linear layer trained on frozen features by SGD with momentum, as the paper measures backbones with labels. All learning rates are
/// trained side by side in one product.
/// </summary>
internal sealed class LinearProbe : IDisposable
{
    private const double InitialDeviation = 0.01;

    private readonly Tensor _mean;
    private readonly Tensor _deviation;

    private LinearProbe(Tensor weight, Tensor bias, Tensor mean, Tensor deviation, double rate) =>
        (Weight, Bias, _mean, _deviation, LearningRate) = (weight, bias, mean, deviation, rate);

    /// <summary>Weights, float32 [classes, D].</summary>
    public Tensor Weight { get; }

    /// <summary>Biases, float32 [classes].</summary>
    public Tensor Bias { get; }

    /// <summary>The learning rate that was chosen.</summary>
    public double LearningRate { get; }

    /// <summary>Trains a probe.</summary>
    /// <param name="features">Training features, [n, D].</param>
    /// <param name="labels">Their classes, n values of 0..classes-1.</param>
    /// <param name="classes">Classes, at least 1.</param>
    /// <param name="options">How it is trained.</param>
    /// <param name="seed">Seed of the first weights, the order and the validation part.</param>
    /// <param name="initial">First weights, [classes, D]; null for normal ones of deviation 0.01.</param>
    /// <param name="images">
    /// The image of every row where an image has several, n values; all rows of an image are trained on, or all held out. Null where every
    /// row is an image of its own.
    /// </param>
    /// <exception cref="ArgumentException">Features and labels do not fit, or a label is out of range.</exception>
    /// <exception cref="SnapViTException">A feature is not finite.</exception>
    public static LinearProbe Train(
        Tensor features, IReadOnlyList<int> labels, int classes, LinearProbeOptions options, ulong seed, Tensor? initial = null,
        IReadOnlyList<int>? images = null)
    {
        ArgumentNullException.ThrowIfNull(features);
        if (features.shape.Length != 2 || features.shape[0] != labels.Count || labels.Any(label => label < 0 || label >= classes))
        {
            throw new ArgumentException(
                $"linear probe: expected features [n, D] with n labels of 0 to {classes - 1}, found [{string.Join(", ", features.shape)}] "
                    + $"and {labels.Count} labels",
                nameof(features));
        }

        _ = options.Validated();
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor all = features.to(ScalarType.Float32);
        if (!all.isfinite().all().item<bool>())
        {
            throw new SnapViTException(
                ErrorKind.Numbers, "linear probe: expected finite features, found NaN or infinite ones; the model or the images hold NaN");
        }

        Tensor mean = options.IsStandardised ? all.mean([0L], true) : zeros([1, all.shape[1]], device: all.device);
        Tensor deviation = options.IsStandardised ? DeviationOf(all, mean) : ones([1, all.shape[1]], device: all.device);
        Tensor standard = all.Minus(mean).div(deviation);
        Tensor first = initial?.to(all.device) ?? FirstWeights(classes, all.shape[1], seed).to(all.device);
        Tensor targets = tensor(labels.Select(label => (long)label).ToArray(), device: all.device);
        double rate = options.LearningRates.Count == 1
            ? options.LearningRates[0]
            : BestRate(
                standard, targets,
                images is null
                    ? HeldOut(labels, options.ValidationShare, seed) : HeldOutImages(labels, images, options.ValidationShare, seed),
                first, options, seed);
        (Tensor weight, Tensor bias) = Fit(standard, targets, first, [rate], options, seed);
        return new LinearProbe(
            weight.DetachFromDisposeScope(), bias.DetachFromDisposeScope(),
            mean.DetachFromDisposeScope(), deviation.DetachFromDisposeScope(), rate);
    }

    /// <summary>Class of every row of features, [m, D].</summary>
    public int[] Predict(Tensor features)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. Answers(features).argmax(1).cpu().data<long>().Select(label => (int)label)];
    }

    /// <summary>Scores of all classes, without gradients, float32 [m, classes], from features [m, D].</summary>
    public Tensor Answers(Tensor features)
    {
        ArgumentNullException.ThrowIfNull(features);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor standard = features.to(ScalarType.Float32).Minus(_mean).div(_deviation);
        return F.linear(standard, Weight, Bias).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Weight.Dispose();
        Bias.Dispose();
        _mean.Dispose();
        _deviation.Dispose();
    }

    private static Tensor FirstWeights(int classes, long width, ulong seed)
    {
        SeededRandom random = SeededRandom.ForPurpose(seed, "linear probe");
        float[] normals = new float[classes * width];
        for (int i = 0; i < normals.Length; i++)
        {
            normals[i] = (float)(InitialDeviation * random.NextNormal());
        }

        return tensor(normals, [classes, width]);
    }

    /// <summary>Deviations of the columns; 1 for a column that does not vary.</summary>
    private static Tensor DeviationOf(Tensor features, Tensor mean)
    {
        Tensor deviation = features.Minus(mean).square().mean([0L], true).sqrt();
        using Scalar least = 1e-6.ToScalar();
        return where(deviation.gt(least), deviation, ones_like(deviation));
    }

    /// <summary>The rate of most right answers on the validation part; of several the one of the smallest loss.</summary>
    private static double BestRate(
        Tensor features, Tensor targets, bool[] held, Tensor first, LinearProbeOptions options, ulong seed)
    {
        using DisposeScope scope = NewDisposeScope();
        if (!held.Contains(true))
        {
            return options.LearningRates[0];
        }

        Tensor fitted = Places(held, false, features.device), compared = Places(held, true, features.device);
        (Tensor weights, Tensor biases) = Fit(
            features.index_select(0, fitted), targets.index_select(0, fitted), first, options.LearningRates, options, seed);
        long rates = options.LearningRates.Count, classes = first.shape[0];
        Tensor answers = F.linear(features.index_select(0, compared), weights, biases).view(-1, rates, classes);
        Tensor right = targets.index_select(0, compared).unsqueeze(1);
        double[] hits = [.. answers.argmax(2).eq(right).to(ScalarType.Float64).mean([0L]).cpu().data<double>()];
        Tensor likelihoods = F.log_softmax(answers, 2).gather(2, right.unsqueeze(2).expand(-1, rates, 1));
        double[] losses = [.. likelihoods.to(ScalarType.Float64).mean([0L]).neg().flatten().cpu().data<double>()];
        int best = Enumerable.Range(0, hits.Length).OrderByDescending(rate => hits[rate])
            .ThenBy(rate => double.IsNaN(losses[rate]) ? double.PositiveInfinity : losses[rate]).First();
        return options.LearningRates[best];
    }

    private static Tensor Places(bool[] held, bool wanted, Device device) =>
        tensor(Enumerable.Range(0, held.Length).Where(row => held[row] == wanted).Select(row => (long)row).ToArray(), device: device);

    /// <summary>A share of every class, rounded down, so that no class is without images to train on.</summary>
    internal static bool[] HeldOut(IReadOnlyList<int> labels, double share, ulong seed)
    {
        bool[] held = new bool[labels.Count];
        SeededRandom random = SeededRandom.ForPurpose(seed, "validation part");
        foreach (IGrouping<int, int> rows in Enumerable.Range(0, labels.Count).GroupBy(row => labels[row]).OrderBy(group => group.Key))
        {
            int[] order = [.. rows];
            random.Shuffle(order.AsSpan());
            foreach (int row in order.Take((int)(share * order.Length)))
            {
                held[row] = true;
            }
        }

        return held;
    }

    /// <summary>
    /// The rows of a share of the images, at least of one where two have all classes. An image stays where it is the last that is trained
    /// on with one of its classes.
    /// </summary>
    internal static bool[] HeldOutImages(IReadOnlyList<int> labels, IReadOnlyList<int> images, double share, ulong seed)
    {
        (int Image, int[] Classes)[] order =
        [
            .. Enumerable.Range(0, labels.Count).GroupBy(row => images[row], row => labels[row]).OrderBy(image => image.Key)
                .Select(image => (image.Key, image.Distinct().ToArray())),
        ];
        Dictionary<int, int> trained = order.SelectMany(image => image.Classes).CountBy(label => label).ToDictionary();
        int wanted = Math.Max(1, (int)(share * order.Length));
        SeededRandom.ForPurpose(seed, "validation part").Shuffle(order.AsSpan());
        HashSet<int> held = [];
        foreach ((int image, int[] classes) in order)
        {
            if (held.Count < wanted && classes.All(label => trained[label] > 1))
            {
                held.Add(image);
                Array.ForEach(classes, label => trained[label]--);
            }
        }

        return [.. images.Select(held.Contains)];
    }

    /// <summary>SGD with momentum on the mean cross-entropy: weights [rates * classes, D] and biases [rates * classes].</summary>
    private static (Tensor Weights, Tensor Biases) Fit(
        Tensor features, Tensor targets, Tensor first, IReadOnlyList<double> rates, LinearProbeOptions options, ulong seed)
    {
        using DisposeScope scope = NewDisposeScope();
        long classes = first.shape[0], rows = features.shape[0];
        Device device = features.device;
        Tensor weights = first.repeat(rates.Count, 1), biases = zeros([rates.Count * classes], device: device);
        Tensor ofWeights = zeros_like(weights), ofBiases = zeros_like(biases);
        Tensor steps = tensor(rates.Select(rate => (float)rate).ToArray(), device: device).repeat_interleave(classes);
        Tensor answers = F.one_hot(targets, classes).to(ScalarType.Float32).unsqueeze(1);
        SeededRandom random = SeededRandom.ForPurpose(seed, "order of the probe");
        long[] order = [.. Enumerable.Range(0, (int)rows).Select(row => (long)row)];
        for (int epoch = 0; epoch < options.Epochs; epoch++)
        {
            using DisposeScope ofEpoch = NewDisposeScope();
            Tensor? places = null;
            if (options.IsShuffled)
            {
                random.Shuffle(order.AsSpan());
                places = tensor(order, device: device);
            }

            Tensor rate = steps.Times((1 + Math.Cos(Math.PI * epoch / options.Epochs)) / 2);
            for (long start = 0; start < rows; start += options.BatchSize)
            {
                using DisposeScope ofStep = NewDisposeScope();
                long count = Math.Min(options.BatchSize, rows - start);
                Tensor x = Rows(features, start, count), y = Rows(answers, start, count);
                Tensor chances = F.linear(x, weights, biases).view(count, rates.Count, classes).softmax(2);
                Tensor gradient = chances.Minus(y).Div(count).view(count, rates.Count * classes);
                ofWeights.TimesInPlace(options.Momentum);
                ofWeights.AddInPlace(gradient.t().mm(x).Plus(weights.Times(options.WeightDecay)));
                ofBiases.TimesInPlace(options.Momentum);
                ofBiases.AddInPlace(gradient.sum([0L]).Plus(biases.Times(options.WeightDecay)));
                weights.SubInPlace(ofWeights.mul(rate.unsqueeze(1)));
                biases.SubInPlace(ofBiases.mul(rate));
            }

            Tensor Rows(Tensor of, long start, long count) => places is null
                ? of.narrow(0, start, count)
                : of.index_select(0, places.narrow(0, start, count));
        }

        return (weights.MoveToOuterDisposeScope(), biases.MoveToOuterDisposeScope());
    }
}
