using CsCheck;
using SnapViT.Core.Planning;

namespace SnapViT.Core.Tests.Planning;

public sealed class LatencyCurveTests
{
    [Fact]
    public void Between_two_points_it_is_a_line()
    {
        LatencyCurve curve = new([(0, 5), (10, 25), (20, 25), (40, 125)]);
        Assert.Equal([5, 7, 25, 25, 25, 30, 125], new[] { 0, 1, 10, 15, 20, 21, 40 }.Select(curve.At));
        Assert.Equal(40, curve.Largest);
        Assert.Throws<ArgumentOutOfRangeException>(() => curve.At(41));
        Assert.Throws<ArgumentOutOfRangeException>(() => curve.At(-1));
    }

    [Fact]
    public void Measured_times_that_fall_become_their_mean()
    {
        LatencyCurve curve = LatencyCurve.Fit([(0, -3), (1, 10), (2, 8), (3, 9), (4, 20)]);
        Assert.Equal([(0, 0), (1, 9), (2, 9), (3, 9), (4, 20)], curve.Points);
    }

    [Fact]
    public void A_fit_never_falls_and_keeps_the_sum_and_what_never_fell() => Gen.Double[0, 1e6].Array[1, 30].Sample(times =>
    {
        (int, double)[] points = [.. times.Select((time, width) => (width, time))];
        LatencyCurve fit = LatencyCurve.Fit(points);
        Assert.Equal(times.Sum(), fit.Points.Sum(point => point.Nanoseconds), 1e-3);
        Assert.All(Enumerable.Range(1, times.Length - 1), width => Assert.True(fit.At(width - 1) <= fit.At(width)));
        Assert.Equal(times.Order(), LatencyCurve.Fit(times.Order().Select((time, width) => (width, time))).Points.Select(point => point.Nanoseconds));
    });

    public static TheoryData<(int, double)[]> Wrong => new(
        [], [(1, 0)], [(0, 1), (0, 2)], [(0, 1), (2, 2), (1, 3)], [(0, 2), (1, 1)], [(0, -1)], [(0, double.NaN)], [(0, 0), (1, double.PositiveInfinity)]);

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public void Points_that_are_no_curve_are_refused((int, double)[] points) => Assert.Throws<ArgumentException>(() => new LatencyCurve(points));
}
