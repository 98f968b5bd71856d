using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests.Architecture;

public sealed class SubnetWidthsTests
{
    [Fact]
    public void Widths_are_equal_by_value()
    {
        SubnetWidths one = Widths.Of((3, 10), (0, 5)), same = Widths.Of((3, 10), (0, 5));
        Assert.True(one.Equals(same));
        Assert.True(one.Equals((object)same));
        Assert.Equal(one.GetHashCode(), same.GetHashCode());
        foreach (SubnetWidths other in new SubnetWidths[] { Widths.Of((3, 10)), Widths.Of((0, 5), (3, 10)), Widths.Of((3, 10), (0, 6)), Widths.Of((3, 10), (1, 5)) })
        {
            Assert.False(one.Equals(other));
        }

        Assert.False(one.Equals(null));
        Assert.False(one.Equals((object)"3h/10n 0h/5n"));
    }

    [Fact]
    public void Widths_are_listed_summed_and_written()
    {
        SubnetWidths widths = Widths.Of((3, 10), (0, 5));
        Assert.Equal(2, widths.Count);
        Assert.Equal(Widths.Block(0, 5), widths[1]);
        Assert.Equal((3, 15), (widths.Total(Axis.Heads), widths.Total(Axis.Neurons)));
        Assert.Equal("3h/10n 0h/5n", widths.ToString());
        Assert.Equal([Widths.Block(2, 7), Widths.Block(2, 7), Widths.Block(2, 7)], SubnetWidths.Uniform(3, Widths.Block(2, 7)));
    }

    [Fact]
    public void A_later_change_of_the_source_changes_nothing()
    {
        BlockWidths[] source = [Widths.Block(1, 1)];
        SubnetWidths widths = new(source);
        source[0] = Widths.Block(9, 9);
        Assert.Equal(Widths.Block(1, 1), widths[0]);
    }

    [Fact]
    public void No_block_and_negative_widths_are_refused()
    {
        Assert.Throws<ArgumentNullException>(() => new SubnetWidths(null!));
        Assert.Contains("at least one block", Assert.Throws<ArgumentException>(() => new SubnetWidths([])).Message, StringComparison.Ordinal);
        Assert.Contains("block 1:", Assert.Throws<ArgumentException>(() => Widths.Of((1, 1), (-1, 1))).Message, StringComparison.Ordinal);
        Assert.Contains("block 0:", Assert.Throws<ArgumentException>(() => Widths.Of((1, -1))).Message, StringComparison.Ordinal);
    }
}
