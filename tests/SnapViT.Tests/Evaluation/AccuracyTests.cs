using CsCheck;
using SnapViT.Core.Randomness;
using SnapViT.Evaluation;

namespace SnapViT.Tests.Evaluation;

public sealed class AccuracyTests
{
    private static readonly Gen<(int Images, int Right, int Seed)> Cases = Gen.Select(Gen.Int[1, 60], Gen.Int[0, 60], Gen.Int[0, 1000]);

    [Fact]
    public void An_interval_holds_the_accuracy_and_its_loss_that_of_the_difference() => Cases.Sample(drawn =>
    {
        bool[] first = Hits(drawn.Images, drawn.Right, drawn.Seed), second = Hits(drawn.Images, drawn.Right / 2, drawn.Seed + 1);
        IReadOnlyList<Accuracy> found = Accuracy.Of([first, second], new int[drawn.Images], 1, 7);
        Assert.All(found, accuracy => Assert.InRange(accuracy.Share, accuracy.Interval.Low, accuracy.Interval.High));
        Assert.Equal(found[0].Share - found[1].Share, found[1].Loss!.Value, 12);
        Assert.InRange(found[1].Loss!.Value, found[1].LossInterval!.Value.Low - 1e-12, found[1].LossInterval!.Value.High + 1e-12);
        Assert.Null(found[0].Loss);
    }, iter: 60);

    [Fact]
    public void Models_that_answer_alike_differ_by_nothing_for_certain()
    {
        bool[] hits = Hits(50, 30, 1);
        Accuracy second = Accuracy.Of([hits, [.. hits]], new int[50], 1, 7)[1];
        Assert.Equal((0.0, 0.0), second.LossInterval);
        Assert.True(second.Interval.High - second.Interval.Low > 0.1);
    }

    [Fact]
    public void Paired_intervals_are_narrower_than_those_of_models_that_err_elsewhere()
    {
        bool[] first = Hits(400, 300, 1), alike = [.. first], apart = Hits(400, 290, 2);
        foreach (int image in Enumerable.Range(0, 400).Where(image => first[image]).Take(10))
        {
            alike[image] = false;
        }

        IReadOnlyList<Accuracy> found = Accuracy.Of([first, alike, apart], new int[400], 1, 7);
        Assert.Equal(found[1].Share, found[2].Share, 12);
        Assert.True(Width(found[1].LossInterval!.Value) < Width(found[2].LossInterval!.Value) / 2);
    }

    // The mean of n draws of 0 or 1 is binomial: the normal interval of a large n is the same to its second digit.
    [Fact]
    public void A_large_sample_has_the_interval_of_the_normal_distribution()
    {
        (double low, double high) = Accuracy.Of([Hits(2000, 1400, 3)], new int[2000], 1, 7)[0].Interval;
        double deviation = Math.Sqrt(0.7 * 0.3 / 2000);
        Assert.Equal(0.7 - (1.96 * deviation), low, 0.002);
        Assert.Equal(0.7 + (1.96 * deviation), high, 0.002);
    }

    [Fact]
    public void Intervals_are_those_of_draws_made_one_by_one()
    {
        bool[] hits = Hits(9, 4, 5);
        SeededRandom random = SeededRandom.ForPurpose(3, "bootstrap");
        double[] shares =
        [
            .. Enumerable.Range(0, Bootstrap.Draws)
                .Select(_ => Enumerable.Range(0, 9).Select(_ => hits[random.NextInt(9)]).Count(hit => hit) / 9.0).ToArray().Order(),
        ];
        double at = 0.025 * (Bootstrap.Draws - 1);
        double expected = shares[(int)at] + ((at - (int)at) * (shares[(int)at + 1] - shares[(int)at]));
        Assert.Equal(expected, Accuracy.Of([hits], new int[9], 1, 3)[0].Interval.Low, 12);
    }

    [Fact]
    public void A_seed_gives_the_same_interval_each_time_and_another_seed_another()
    {
        bool[] hits = Hits(97, 31, 1);
        Assert.Equal(Interval(1), Interval(1));
        Assert.NotEqual(Enumerable.Repeat(Interval(1), 4), Enumerable.Range(2, 4).Select(seed => Interval((ulong)seed)));

        (double Low, double High) Interval(ulong seed) => Accuracy.Of([hits], new int[97], 1, seed)[0].Interval;
    }

    [Fact]
    public void Every_class_has_the_share_of_its_own_images()
    {
        Accuracy found = Accuracy.Of([[true, false, true, true]], [0, 0, 2, 0], 3, 1)[0];
        Assert.Equal([2.0 / 3, null, 1.0], found.PerClass);
    }

    private static double Width((double Low, double High) interval) => interval.High - interval.Low;

    private static bool[] Hits(int images, int right, int seed)
    {
        bool[] hits = [.. Enumerable.Range(0, images).Select(image => image < right)];
        new SeededRandom((ulong)seed).Shuffle(hits.AsSpan());
        return hits;
    }
}
