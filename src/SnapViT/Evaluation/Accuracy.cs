namespace SnapViT.Evaluation;

/// <summary>
/// A share of right answers, or the mean intersection over union of a segmentation, with what may be said of it: intervals of 95 % by a
/// seeded bootstrap of 2000 draws over the test images.
/// </summary>
/// <param name="Share">Right answers, or the mean intersection over union, 0..1.</param>
/// <param name="Interval">
/// Its interval. Of no width where all answers are right or all are wrong: the images then show no variation.
/// </param>
public sealed record Accuracy(double Share, (double Low, double High) Interval)
{
    /// <summary>
    /// How much less it is than that of the model which the others are compared with, on the same images; null for that model itself.
    /// </summary>
    public double? Loss { get; init; }

    /// <summary>The interval of that difference, both models being drawn on the same images; null as <see cref="Loss"/> is.</summary>
    public (double Low, double High)? LossInterval { get; init; }

    /// <summary>
    /// Right answers of every class, 0..1, in the order of <see cref="Workflows.ModelEvaluation.TestClasses"/>; null for a class none of
    /// whose images was counted. Of a segmentation the intersection over union of every class; null for one that does not occur.
    /// </summary>
    public IReadOnlyList<double?> PerClass { get; init; } = [];

    /// <summary>Accuracies of models that answered for the same images. All are compared with the first.</summary>
    /// <param name="hits">Of every model, which images it was right on, [models][images].</param>
    /// <param name="classes">The class of every image, [images], 0..count-1.</param>
    /// <param name="count">Classes in all.</param>
    /// <param name="seed">Seed of the bootstrap.</param>
    internal static IReadOnlyList<Accuracy> Of(IReadOnlyList<bool[]> hits, IReadOnlyList<int> classes, int count, ulong seed)
    {
        int models = hits.Count;
        double images = classes.Count;
        (double Low, double High)[] intervals = new Bootstrap(classes.Count, seed).Intervals((2 * models) - 1, (drawn, values) =>
        {
            for (int model = 0; model < models; model++)
            {
                values[model] = Right(hits[model], drawn) / images;
                if (model > 0)
                {
                    values[models + model - 1] = values[0] - values[model];
                }
            }
        });
        double[] shares = [.. hits.Select(own => own.Count(hit => hit) / images)];
        return
        [
            .. hits.Select((own, model) => new Accuracy(shares[model], intervals[model])
            {
                Loss = model == 0 ? null : shares[0] - shares[model],
                LossInterval = model == 0 ? null : intervals[models + model - 1],
                PerClass = OfClasses(own, classes, count),
            }),
        ];
    }

    private static long Right(bool[] hits, int[] drawn)
    {
        long right = 0;
        for (int image = 0; image < hits.Length; image++)
        {
            right += hits[image] ? drawn[image] : 0;
        }

        return right;
    }

    private static double?[] OfClasses(bool[] hits, IReadOnlyList<int> classes, int count)
    {
        int[] images = new int[count], right = new int[count];
        for (int image = 0; image < hits.Length; image++)
        {
            images[classes[image]]++;
            right[classes[image]] += hits[image] ? 1 : 0;
        }

        return [.. images.Select((all, index) => all == 0 ? (double?)null : right[index] / (double)all)];
    }
}
