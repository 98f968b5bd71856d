using System.Globalization;
using SnapViT.Cli.Output;

namespace SnapViT.Cli.Tests.Output;

public sealed class ChartAxisTests
{
    public static TheoryData<double, double> Ranges => new()
    {
        { 0, 1 }, { 0.0004, 0.0031 }, { 0.42, 1 }, { 0, 20 }, { 0.5941, 0.6525 }, { 0.993, 0.996 }, { -3, 7 }, { 0.25, 0.25 }, { 0, 0 }, { 1e-7, 3e-7 },
    };

    [Theory]
    [MemberData(nameof(Ranges))]
    public void Labels_differ_and_say_their_value(double least, double most)
    {
        foreach (ChartAxis axis in new[] { ChartAxis.Within(least, most), ChartAxis.Around(least, most) })
        {
            (double Value, string Label)[] ticks = [.. axis.Ticks];
            Assert.InRange(ticks.Length, 2, 9);
            Assert.DoesNotContain(ticks, tick => tick.Value == 0 && tick.Label.StartsWith('-'));
            Assert.Equal(ticks.Length, ticks.Select(tick => tick.Label).Distinct().Count());
            Assert.All(ticks, tick => Assert.Equal(tick.Value, double.Parse(tick.Label, CultureInfo.InvariantCulture), 1e-9 + (1e-6 * Math.Abs(tick.Value))));
            Assert.All(ticks, tick => Assert.InRange(tick.Value, axis.Low - (1e-6 * (axis.High - axis.Low)), axis.High + (1e-6 * (axis.High - axis.Low))));
        }
    }

    [Theory]
    [MemberData(nameof(Ranges))]
    public void The_axis_covers_its_values(double least, double most)
    {
        ChartAxis around = ChartAxis.Around(least, most);
        double step = around.Ticks.ElementAt(1).Value - around.Ticks.First().Value;
        Assert.InRange(least, around.Low - (1e-6 * step), around.Low + step);
        Assert.InRange(most, around.Low, around.High + (1e-6 * step));
        Assert.Equal(least, ChartAxis.Within(least, most).Low);
    }
}
