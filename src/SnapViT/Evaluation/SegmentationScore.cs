using SnapViT.Data.Sources;

namespace SnapViT.Evaluation;

/// <summary>How well classes of pixels were told, from how often each class was taken for each.</summary>
internal static class SegmentationScore
{
    /// <summary>Pixels of an image by true and by predicted class, [classes * classes]; pixels without a class are left out.</summary>
    /// <param name="truth">The classes.</param>
    /// <param name="predicted">The predicted classes, as many.</param>
    /// <param name="classes">How many classes there are; a true one beyond them is of none that was learned, and counts as wrong.</param>
    public static int[] Confusion(ReadOnlySpan<byte> truth, ReadOnlySpan<long> predicted, int classes)
    {
        int[] counts = new int[classes * classes];
        for (int pixel = 0; pixel < truth.Length; pixel++)
        {
            if (truth[pixel] != ClassMask.Ignored)
            {
                counts[(truth[pixel] * classes) + (int)predicted[pixel]]++;
            }
        }

        return counts;
    }

    /// <summary>
    /// Of models on the same images the mean intersection over union, over the classes that occur, and the share of pixels whose class is
    /// right, 0..1. All are compared with the first.
    /// </summary>
    /// <param name="confusions">Of every model the confusion of every image, [models][images][classes * classes].</param>
    /// <param name="classes">Classes.</param>
    /// <param name="seed">Seed of the bootstrap.</param>
    public static IReadOnlyList<(Accuracy MeanIou, double PixelAccuracy)> Of(
        IReadOnlyList<IReadOnlyList<int[]>> confusions, int classes, ulong seed)
    {
        int models = confusions.Count, images = confusions[0].Count;
        long[] sums = new long[classes * classes];
        (double Low, double High)[] intervals = new Bootstrap(images, seed).Intervals((2 * models) - 1, (drawn, values) =>
        {
            for (int model = 0; model < models; model++)
            {
                Add(confusions[model], drawn, sums);
                values[model] = Mean(IousOf(sums, classes));
                if (model > 0)
                {
                    values[models + model - 1] = values[0] - values[model];
                }
            }
        });
        int[] once = [.. Enumerable.Repeat(1, images)];
        (Accuracy MeanIou, double PixelAccuracy)[] scores = new (Accuracy, double)[models];
        for (int model = 0; model < models; model++)
        {
            Add(confusions[model], once, sums);
            double?[] ious = IousOf(sums, classes);
            long right = Enumerable.Range(0, classes).Sum(index => sums[(index * classes) + index]);
            double mean = Mean(ious);
            scores[model] = (
                new Accuracy(mean, intervals[model])
                {
                    Loss = model == 0 ? null : scores[0].MeanIou.Share - mean,
                    LossInterval = model == 0 ? null : intervals[models + model - 1],
                    PerClass = ious,
                },
                right / (double)Math.Max(1, sums.Sum()));
        }

        return scores;
    }

    private static void Add(IReadOnlyList<int[]> confusions, int[] drawn, long[] sums)
    {
        Array.Clear(sums);
        for (int image = 0; image < drawn.Length; image++)
        {
            if (drawn[image] > 0)
            {
                int[] own = confusions[image];
                for (int i = 0; i < own.Length; i++)
                {
                    sums[i] += (long)drawn[image] * own[i];
                }
            }
        }
    }

    private static double?[] IousOf(long[] confusion, int classes)
    {
        double?[] ious = new double?[classes];
        for (int index = 0; index < classes; index++)
        {
            long right = confusion[(index * classes) + index], of = 0, taken = 0;
            for (int other = 0; other < classes; other++)
            {
                of += confusion[(index * classes) + other];
                taken += confusion[(other * classes) + index];
            }

            ious[index] = of == 0 ? null : right / (double)(of + taken - right);
        }

        return ious;
    }

    private static double Mean(double?[] ious) => ious.OfType<double>().DefaultIfEmpty(double.NaN).Average();
}
