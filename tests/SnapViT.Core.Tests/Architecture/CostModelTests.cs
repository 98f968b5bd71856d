using System.Text.Json;
using CsCheck;
using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests.Architecture;

public sealed class CostModelTests
{
    // golden/<family>/config.json: count_parameters and estimate_model_flops of the reference (commit 2ed5f79).
    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void Unpruned_families_cost_what_the_reference_counts(string family)
    {
        using JsonDocument json = GoldenFamily.Json(family, "config.json");
        ViTArchitecture architecture = GoldenFamily.Architecture(family);
        Assert.Equal(json.RootElement.GetProperty("count_parameters").GetInt64() - GoldenFamily.MaskToken(family), CostModel.Parameters(architecture, architecture.FullWidths));
        Assert.Equal(json.RootElement.GetProperty("estimate_model_flops").GetInt64(), CostModel.Flops(architecture, architecture.FullWidths, FlopConvention.Reference));
    }

    // golden/real_models.json: parameters of timm 1.0.22, FLOPs by the reference's estimate_model_flops.
    [Theory]
    [InlineData("dino_vits16", null)]
    [InlineData("dino_vitb16", "dino_vitb16")]
    [InlineData("augreg-s", null)]
    [InlineData("augreg-b", "augreg-vit-b-16-in21k-ft-in1k")]
    [InlineData("augreg-l", "augreg-vit-l-16-in21k-ft-in1k")]
    [InlineData("deit-b", "deit-vit-b-16")]
    [InlineData("deit3-s", "deit-3-vit-s-16")]
    [InlineData("deit3-b", "deit-3-vit-b-16")]
    [InlineData("deit3-l", "deit-3-vit-l-16")]
    [InlineData("deit3-h", "deit-3-vit-h-14")]
    public void Real_models_cost_what_timm_and_the_reference_count(string name, string? scores)
    {
        using JsonDocument json = GoldenFamily.Json("real_models.json");
        JsonElement timm = json.RootElement.GetProperty("timm_cfgs").GetProperty(name);
        ViTArchitecture architecture = Real(name, timm.GetProperty("num_classes").GetInt32());
        Assert.Equal(timm.GetProperty("params").GetInt64(), CostModel.Parameters(architecture, architecture.FullWidths));
        Assert.Equal(timm.GetProperty("n_state_keys").GetInt32(), ParameterTable.For(architecture, architecture.FullWidths).Count);
        if (scores is not null)
        {
            JsonElement released = json.RootElement.GetProperty("released_scores").GetProperty($"imagenet-1k/{scores}.pt");
            Assert.Equal(released.GetProperty("base_flops").GetInt64(), CostModel.Flops(architecture, architecture.FullWidths, FlopConvention.Reference));
        }
    }

    [Fact]
    public void True_flops_count_every_prefix_token()
    {
        ViTArchitecture distilled = GoldenFamily.Architecture("deit_distilled");
        long perBlock = (4L * 48 * 192 * 18) + (6L * 48 * 8 * 6 * 18) + (2L * 48 * 8 * 6 * 18) + (4L * 6 * 8 * 18 * 18) + (3L * 6 * 18 * 18);
        Assert.Equal((4 * perBlock) + (2L * 16 * 64 * 3 * 48), CostModel.Flops(distilled, distilled.FullWidths));
        Assert.True(CostModel.Flops(distilled, distilled.FullWidths) > CostModel.Flops(distilled, distilled.FullWidths, FlopConvention.Reference));
    }

    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void Every_structure_costs_the_same_wherever_it_is(string family)
    {
        ViTArchitecture a = GoldenFamily.Architecture(family);
        Gen.Select(Gen.Int[0, a.Heads], Gen.Int[0, a.MlpDim]).Array[4].Sample(
            blocks =>
            {
                SubnetWidths widths = new SubnetWidths(blocks.Select(block => Widths.Block(block.Item1, block.Item2))).In(a);
                long neurons = (4 * a.MlpDim) - widths.Total(Axis.Neurons), heads = (4 * a.Heads) - widths.Total(Axis.Heads);
                Assert.Equal(
                    CostModel.Parameters(a, a.FullWidths) - CostModel.Parameters(a, widths),
                    (neurons * CostModel.UnitParameters(a, Axis.Neurons)) + (heads * CostModel.UnitParameters(a, Axis.Heads)));
                foreach (FlopConvention convention in Enum.GetValues<FlopConvention>())
                {
                    Assert.Equal(
                        CostModel.Flops(a, a.FullWidths, convention) - CostModel.Flops(a, widths, convention),
                        (neurons * CostModel.UnitFlops(a, Axis.Neurons, convention)) + (heads * CostModel.UnitFlops(a, Axis.Heads, convention)));
                }
            },
            iter: 50);
    }

    [Fact]
    public void Heads_without_a_qkv_bias_own_fewer_parameters()
    {
        ViTArchitecture a = GoldenFamily.Architecture("timm_vit") with { HasQkvBias = false };
        SubnetWidths one = Widths.Of((3, 192), (4, 192), (4, 192), (4, 192)).In(a);
        Assert.Equal(12 * 4 * 48, CostModel.UnitParameters(a, Axis.Heads));
        Assert.Equal(CostModel.UnitParameters(a, Axis.Heads), CostModel.Parameters(a, a.FullWidths) - CostModel.Parameters(a, one));
    }

    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void Flops_are_those_of_a_walk_through_the_forward_pass(string family)
    {
        ViTArchitecture a = GoldenFamily.Architecture(family);
        Widths.AnyOf(a).Sample(
            widths => Assert.Equal(2 * Products(a, widths).Sum(shape => shape.Rows * shape.Inner * shape.Columns) + Others(a, widths), CostModel.Flops(a, widths)),
            iter: 100);
    }

    [Fact]
    public void Flops_of_merging_written_out()
    {
        // Blocks of 2 of 6 heads, q 3 and v 5 of 8 dimensions, 10 neurons; 17 tokens, 12 behind the first block, the class token behind the last.
        ViTArchitecture a = GoldenFamily.Architecture("deit3") with { Depth = 2 };
        BlockWidths first = new() { [Axis.Heads] = 2, [Axis.QueryKeyDims] = 3, [Axis.ValueDims] = 5, [Axis.Tokens] = 12, [Axis.Neurons] = 10 };
        long embedding = 2L * 16 * (8 * 8 * 3) * 48;
        long one = (2 * 17 * 48 * 2 * (3 + 3 + 5)) + (2 * 17 * (2 * 5) * 48) + (2 * 17 * 17 * 2 * (3 + 5)) + (3 * 2 * 17 * 17)
            + (2 * 8 * 8 * (2 * 3)) + (8 * 3) + (2 * 17 * (2 * 3)) + (2 * 12 * 48 * 10 * 2);
        long two = (2 * 48 * 2 * 3) + (2 * 12 * 48 * 2 * (3 + 5)) + (2 * 1 * (2 * 5) * 48) + (2 * 1 * 12 * 2 * (3 + 5)) + (3 * 2 * 12)
            + (2 * 1 * 48 * 10 * 2);
        Assert.Equal(embedding + one + two, CostModel.Flops(a, new SubnetWidths([first, first.With(Axis.Tokens, 1)])));
    }

    [Fact]
    public void Fewer_tokens_cost_no_parameters_and_fewer_dimensions_their_rows_and_columns()
    {
        ViTArchitecture a = GoldenFamily.Architecture("timm_vit");
        SubnetWidths merged = a.FullWidths.With(0, Axis.Tokens, 12).With(1, Axis.Tokens, 12).With(2, Axis.Tokens, 9).With(3, Axis.Tokens, 1);
        Assert.Equal(CostModel.Parameters(a, a.FullWidths), CostModel.Parameters(a, merged));
        Assert.Equal(5 * 2 * 4 * (48 + 1), CostModel.Parameters(a, a.FullWidths) - CostModel.Parameters(a, a.FullWidths.With(1, Axis.QueryKeyDims, 12 - 5)));
        Assert.Equal(5 * 4 * (48 + 1 + 48), CostModel.Parameters(a, a.FullWidths) - CostModel.Parameters(a, a.FullWidths.With(1, Axis.ValueDims, 12 - 5)));
    }

    [Fact]
    public void Figures_beyond_32_bits_do_not_overflow()
    {
        ViTArchitecture giant = new() { Depth = 40, EmbedDim = 1536, Heads = 16, HeadDim = 96, MlpDim = 6144, PatchSize = 16, ImageSize = 1024 };
        long n = (64 * 64) + 1;
        long perBlock = (4L * 1536 * 6144 * n) + (8L * 1536 * 1536 * n) + (4L * 1536 * n * n) + (3L * 16 * n * n);
        Assert.Equal((40 * perBlock) + (2L * 4096 * 256 * 3 * 1536), CostModel.Flops(giant, giant.FullWidths));
    }

    /// <summary>Every matrix product of one image, in the order of the forward pass.</summary>
    private static IEnumerable<(long Rows, long Inner, long Columns)> Products(ViTArchitecture a, SubnetWidths widths)
    {
        yield return (a.Patches, (long)a.PatchSize * a.PatchSize * a.Channels, a.EmbedDim);
        long tokens = a.Tokens;
        for (int block = 0; block < a.Depth; block++)
        {
            (long heads, long q, long v, long left, long neurons) =
                (widths[block][Axis.Heads], widths[block][Axis.QueryKeyDims], widths[block][Axis.ValueDims], widths[block][Axis.Tokens], widths[block][Axis.Neurons]);
            bool isPooled = block == a.Depth - 1 && a.PooledTokens > 0 && left < tokens;
            long asked = isPooled ? left : tokens;
            for (int head = 0; head < heads; head++)
            {
                yield return (asked, a.EmbedDim, q);
                yield return (tokens, a.EmbedDim, q);
                yield return (tokens, a.EmbedDim, v);
                yield return (asked, q, tokens);
                yield return (asked, tokens, v);
            }

            yield return (asked, heads * v, a.EmbedDim);
            if (left < tokens && !isPooled)
            {
                long even = (tokens - a.PrefixTokens + 1) / 2;
                yield return (even, heads == 0 ? a.EmbedDim : heads * q, tokens - a.PrefixTokens - even);
                yield return (heads > 0 && a.PrefixTokens > 0 ? 1 : 0, heads * q, tokens);
            }

            for (int layer = 0; layer < (a.Mlp == MlpKind.SwiGlu ? 2 : 1); layer++)
            {
                yield return (left, a.EmbedDim, neurons);
            }

            yield return (left, neurons, a.EmbedDim);
            tokens = left;
        }
    }

    /// <summary>What is counted besides: 3 operations of a softmax, and the comparisons of a sort.</summary>
    private static long Others(ViTArchitecture a, SubnetWidths widths)
    {
        long all = 0, tokens = a.Tokens;
        for (int block = 0; block < a.Depth; block++)
        {
            long left = widths[block][Axis.Tokens], even = (tokens - a.PrefixTokens + 1) / 2, depth = 0;
            bool isPooled = block == a.Depth - 1 && a.PooledTokens > 0 && left < tokens;
            all += 3 * widths[block][Axis.Heads] * (isPooled ? left : tokens) * tokens;
            while ((1L << (int)depth) < Math.Max(2, even))
            {
                depth++;
            }

            all += left < tokens && !isPooled ? even * depth : 0;
            tokens = left;
        }

        return all;
    }

    private static ViTArchitecture Real(string name, int classes)
    {
        (int width, int depth) = name[^1] switch { 's' => (384, 12), 'l' => (1024, 24), 'h' => (1280, 32), _ when name == "dino_vits16" => (384, 12), _ => (768, 12) };
        bool distilled = name == "deit-b", deit3 = name.StartsWith("deit3", StringComparison.Ordinal);
        (string Name, int Heads) known = KnownModels.Find(width, depth, 4 * width) ?? throw new InvalidOperationException($"{name} is not in the table");
        return new ViTArchitecture
        {
            Depth = depth,
            EmbedDim = width,
            Heads = known.Heads,
            HeadDim = width / known.Heads,
            MlpDim = 4 * width,
            PatchSize = name == "deit3-h" ? 14 : 16,
            ImageSize = 224,
            Classes = classes,
            HasDistillationToken = distilled,
            Pooling = distilled ? Pooling.ClassAndDistillation : Pooling.ClassToken,
            Position = deit3 ? PositionEmbedding.PatchesOnly : PositionEmbedding.AllTokens,
            HasLayerScale = deit3,
        }.Validated();
    }
}
