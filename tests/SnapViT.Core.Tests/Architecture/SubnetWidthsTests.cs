using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests.Architecture;

public sealed class SubnetWidthsTests
{
    [Fact]
    public void Widths_are_equal_by_value()
    {
        SubnetWidths one = new([new(3, 10), new(0, 5)]), same = new([new(3, 10), new(0, 5)]);
        Assert.True(one.Equals(same));
        Assert.True(one.Equals((object)same));
        Assert.Equal(one.GetHashCode(), same.GetHashCode());
        foreach (SubnetWidths other in new SubnetWidths[] { new([new(3, 10)]), new([new(0, 5), new(3, 10)]), new([new(3, 10), new(0, 6)]), new([new(3, 10), new(1, 5)]) })
        {
            Assert.False(one.Equals(other));
        }

        Assert.False(one.Equals(null));
        Assert.False(one.Equals((object)"3h/10n 0h/5n"));
    }

    [Fact]
    public void Widths_are_listed_summed_and_written()
    {
        SubnetWidths widths = new([new(3, 10), new(0, 5)]);
        Assert.Equal(2, widths.Count);
        Assert.Equal(new BlockWidths(0, 5), widths[1]);
        Assert.Equal((3, 15), (widths.TotalHeads, widths.TotalNeurons));
        Assert.Equal("3h/10n 0h/5n", widths.ToString());
        Assert.Equal([new(2, 7), new(2, 7), new(2, 7)], SubnetWidths.Uniform(3, new BlockWidths(2, 7)));
    }

    [Fact]
    public void A_later_change_of_the_source_changes_nothing()
    {
        BlockWidths[] source = [new(1, 1)];
        SubnetWidths widths = new(source);
        source[0] = new(9, 9);
        Assert.Equal(new BlockWidths(1, 1), widths[0]);
    }

    [Fact]
    public void No_block_and_negative_widths_are_refused()
    {
        Assert.Throws<ArgumentNullException>(() => new SubnetWidths(null!));
        Assert.Contains("at least one block", Assert.Throws<ArgumentException>(() => new SubnetWidths([])).Message, StringComparison.Ordinal);
        Assert.Contains("block 1:", Assert.Throws<ArgumentException>(() => new SubnetWidths([new(1, 1), new(-1, 1)])).Message, StringComparison.Ordinal);
        Assert.Contains("block 0:", Assert.Throws<ArgumentException>(() => new SubnetWidths([new(1, -1)])).Message, StringComparison.Ordinal);
    }
}
