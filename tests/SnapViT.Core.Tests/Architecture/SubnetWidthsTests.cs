using CsCheck;
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

    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void Any_schedule_that_merges_at_most_half_of_the_patches_fits(string family)
    {
        ViTArchitecture a = GoldenFamily.Architecture(family);
        Widths.AnyOf(a).Sample(widths => widths.RequireFit(a), iter: 100);
    }

    // 17 tokens, one of them the class token.
    [Theory]
    [InlineData(0, 8, "block 0: expected 9 to 17 tokens, for 17 enter it, found 8")]
    [InlineData(0, 18, "block 0: expected at most 17 tokens, found 18")]
    [InlineData(0, 0, "block 0: expected 9 to 17 tokens")]
    [InlineData(1, 13, "block 1: expected 7 to 12 tokens, for 12 enter it, found 13")]
    [InlineData(1, 6, "block 1: expected 7 to 12 tokens")]
    [InlineData(3, 11, "block 3: expected 12 tokens, as many as enter the last block, or the 1 that are pooled, found 11")]
    [InlineData(3, 2, "or the 1 that are pooled, found 2")]
    public void Impossible_schedules_are_refused(int block, int tokens, string fault)
    {
        ViTArchitecture a = GoldenFamily.Architecture("timm_vit");
        SubnetWidths widths = Schedule(a, 12, 12, 12, 1);
        widths.RequireFit(a);
        Assert.Contains(fault, Assert.Throws<ArgumentException>(() => widths.With(block, Axis.Tokens, tokens).RequireFit(a)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_pools_all_tokens_merges_in_its_last_block_too_but_never_keeps_the_first_alone()
    {
        ViTArchitecture a = GoldenFamily.Architecture("siglip2");
        Schedule(a, 8, 8, 8, 4).RequireFit(a);
        Assert.Contains("expected 4 to 8 tokens", Assert.Throws<ArgumentException>(() => Schedule(a, 8, 8, 8, 1).RequireFit(a)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_with_heads_keeps_a_dimension_of_each_kind_and_one_without_need_not()
    {
        ViTArchitecture a = GoldenFamily.Architecture("timm_vit");
        foreach (Axis axis in new[] { Axis.QueryKeyDims, Axis.ValueDims })
        {
            SubnetWidths none = a.FullWidths.With(1, axis, 0);
            Assert.Contains("block 1: expected heads of at least 1 dimension", Assert.Throws<ArgumentException>(() => none.RequireFit(a)).Message, StringComparison.Ordinal);
            none.With(1, Axis.Heads, 0).RequireFit(a);
            Assert.Contains("at most 12", Assert.Throws<ArgumentException>(() => a.FullWidths.With(1, axis, 13).RequireFit(a)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void For_images_of_another_size_blocks_keep_their_share_of_the_patches(string family)
    {
        ViTArchitecture a = GoldenFamily.Architecture(family);
        Gen.Select(Widths.AnyOf(a), Gen.Int[2, 40]).Sample(
            (widths, grid) =>
            {
                ViTArchitecture resized = a with { ImageSize = grid * a.PatchSize };
                SubnetWidths there = widths.AtImageSize(a, resized);
                there.RequireFit(resized);
                for (int block = 0; block < a.Depth; block++)
                {
                    Assert.Equal(widths[block].With(Axis.Tokens, 0), there[block].With(Axis.Tokens, 0));
                    bool isPooled = block == a.Depth - 1 && a.PooledTokens > 0 && widths[block][Axis.Tokens] == a.PooledTokens;
                    double share = (double)(widths[block][Axis.Tokens] - a.PrefixTokens) / a.Patches, now = (double)(there[block][Axis.Tokens] - resized.PrefixTokens) / resized.Patches;
                    Assert.True(isPooled ? there[block][Axis.Tokens] == a.PooledTokens : Math.Abs(now - share) <= 1.0 / resized.Patches, $"block {block}: {share} became {now}");
                }

                Assert.Equal(widths, widths.AtImageSize(a, a));
            },
            iter: 200);
    }

    private static SubnetWidths Schedule(ViTArchitecture a, params int[] tokens) =>
        tokens.Select((left, block) => (left, block)).Aggregate(a.FullWidths, (widths, step) => widths.With(step.block, Axis.Tokens, step.left));
}
