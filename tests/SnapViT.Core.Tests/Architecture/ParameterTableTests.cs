using SnapViT.Core.Architecture;
using SnapViT.Core.Tests.Formats;

namespace SnapViT.Core.Tests.Architecture;

public sealed class ParameterTableTests
{
    private static readonly ViTArchitecture Small = GoldenFamily.Architecture("timm_vit");

    // Names and shapes of the reference's golden checkpoints (commit 2ed5f79, timm 1.0.22), all six families.
    [Theory]
    [MemberData(nameof(GoldenFamily.All), MemberType = typeof(GoldenFamily))]
    public void The_table_is_the_checkpoint_tensor_by_tensor(string family)
    {
        ViTArchitecture architecture = GoldenFamily.Architecture(family);
        Dictionary<string, long[]> expected = GoldenFamily.CanonicalShapes(family);
        ParameterTable table = ParameterTable.For(architecture, architecture.FullWidths);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), table.Select(parameter => parameter.Name).Order(StringComparer.Ordinal));
        Assert.All(table, parameter => Assert.Equal(expected[parameter.Name], parameter.Shape));
    }

    [Fact]
    public void A_pruned_block_has_narrower_tensors_and_the_others_their_own()
    {
        SubnetWidths widths = Widths.Of((4, 192), (3, 100), (0, 0), (4, 192)).In(Small);
        Dictionary<string, IReadOnlyList<long>> table = ParameterTable.For(Small, widths).ToDictionary(parameter => parameter.Name, parameter => parameter.Shape);
        Assert.Equal([108, 48], table["blocks.1.attn.qkv.weight"]);
        Assert.Equal([108], table["blocks.1.attn.qkv.bias"]);
        Assert.Equal([48, 36], table["blocks.1.attn.proj.weight"]);
        Assert.Equal([48], table["blocks.1.attn.proj.bias"]);
        Assert.Equal([100, 48], table["blocks.1.mlp.fc1.weight"]);
        Assert.Equal([100], table["blocks.1.mlp.fc1.bias"]);
        Assert.Equal([48, 100], table["blocks.1.mlp.fc2.weight"]);
        Assert.Equal([0, 48], table["blocks.2.attn.qkv.weight"]);
        Assert.Equal([48, 0], table["blocks.2.mlp.fc2.weight"]);
        Assert.Equal([144, 48], table["blocks.3.attn.qkv.weight"]);
    }

    [Fact]
    public void Pruning_never_touches_the_mlp_of_the_attention_pool()
    {
        ViTArchitecture siglip = GoldenFamily.Architecture("siglip2");
        ParameterTable table = ParameterTable.For(siglip, SubnetWidths.Uniform(4, Widths.Block(1, 1)).In(siglip));
        Assert.Equal([192, 48], table.Single(parameter => parameter.Name == "attn_pool.mlp.fc1.weight").Shape);
    }

    [Fact]
    public void Facts_of_clip_and_dinov2_add_and_drop_their_tensors()
    {
        string[] clip = Names(Small with { HasPreNorm = true, HasPatchBias = false, HasQkvBias = false, ProjectionDim = 32, Classes = 0 });
        Assert.Contains("norm_pre.weight", clip);
        Assert.Contains("projection.weight", clip);
        Assert.DoesNotContain("patch_embed.proj.bias", clip);
        Assert.DoesNotContain("blocks.0.attn.qkv.bias", clip);
        Assert.DoesNotContain("head.weight", clip);

        ViTArchitecture dinov2 = Small with { Position = PositionEmbedding.ClassAndPatches, RegisterTokens = 4 };
        ParameterTable table = ParameterTable.For(dinov2, dinov2.FullWidths);
        Assert.Equal([1, 17, 48], table.Single(parameter => parameter.Name == "pos_embed").Shape);
        Assert.Equal([1, 4, 48], table.Single(parameter => parameter.Name == "reg_token").Shape);

        static string[] Names(ViTArchitecture architecture) => [.. ParameterTable.For(architecture, architecture.FullWidths).Select(parameter => parameter.Name)];
    }

    [Fact]
    public void Widths_that_do_not_fit_are_refused_by_block_and_figure()
    {
        Assert.Contains("expected 4 blocks, found 3", Refused(SubnetWidths.Uniform(3, Widths.Block(4, 192))), StringComparison.Ordinal);
        Assert.Contains(
            "block 1: expected at most 4 heads, found 5", Refused(Widths.Of((4, 192), (5, 192), (4, 192), (4, 192))), StringComparison.Ordinal);
        Assert.Contains("block 0: expected at most 192 neurons, found 193", Refused(SubnetWidths.Uniform(4, Widths.Block(4, 193))), StringComparison.Ordinal);

        static string Refused(SubnetWidths widths) => Assert.Throws<ArgumentException>(() => ParameterTable.For(Small, widths.In(Small))).Message;
    }

    public static TheoryData<string> EveryFamily => [.. SmallModel.Names];

    [Theory, MemberData(nameof(EveryFamily))]
    public void Smaller_widths_shorten_the_pruned_dimensions_and_nothing_else(string family)
    {
        ViTArchitecture a = SmallModel.Architecture(family);
        SubnetWidths widths = SubnetWidths.Uniform(a.Depth, Widths.Block(1, 3)).In(a);
        foreach ((ParameterSpec full, ParameterSpec cut) in ParameterTable.For(a, a.FullWidths).Zip(ParameterTable.For(a, widths)))
        {
            long[] expected = [.. full.ModelShape];
            foreach (PrunedDimension pruned in full.Pruned)
            {
                Assert.Equal(expected[pruned.Dimension], pruned.KeptLength(a.FullWidths[full.Block!.Value]));
                expected[pruned.Dimension] = pruned.KeptLength(widths[full.Block!.Value]);
            }

            Assert.Equal(full.Name, cut.Name);
            Assert.Equal(expected, cut.ModelShape);
            Assert.Equal(cut.Elements, cut.ModelShape.Aggregate(1L, (product, size) => product * size));
        }
    }

    [Theory]
    [InlineData("dinov2", "blocks.1.attn.proj", "blocks.1.mlp.fc2")]
    [InlineData("dinov3 swiglu", "blocks.1.attn.proj", "blocks.1.mlp.w3")]
    public void The_layers_that_lose_inputs_are_the_last_of_each_branch(string family, string attention, string mlp)
    {
        ViTArchitecture a = SmallModel.Architecture(family);
        Assert.Equal([attention, mlp], ParameterTable.For(a, a.FullWidths).Blocks[1].PrunedInputs.Select(layer => layer.Name));
    }

    [Fact]
    public void Heads_with_fewer_dimensions_have_as_many_rows_in_a_checkpoint_and_padded_ones_in_a_model()
    {
        SubnetWidths widths = Small.FullWidths.With(1, Axis.Heads, 3).With(1, Axis.QueryKeyDims, 5).With(1, Axis.ValueDims, 7);
        ParameterTable table = ParameterTable.For(Small, widths);
        ParameterSpec weight = Of("blocks.1.attn.qkv.weight"), bias = Of("blocks.1.attn.qkv.bias"), proj = Of("blocks.1.attn.proj.weight");
        Assert.Equal([3 * (5 + 5 + 7), 48], weight.Shape);
        Assert.Equal([3, 3, 7, 48], weight.ModelShape);
        Assert.Equal([3 * (5 + 5 + 7)], bias.Shape);
        Assert.Equal([3, 3, 7], bias.ModelShape);
        Assert.Equal([48, 3 * 7], proj.Shape);
        Assert.Equal([48, 3, 7], proj.ModelShape);
        Assert.Equal([3 * 12 * 4, 48], Of("blocks.0.attn.qkv.weight").Shape);
        Assert.Equal([4, 3, 12, 48], Of("blocks.0.attn.qkv.weight").ModelShape);

        ParameterSpec Of(string name) => table.Single(parameter => parameter.Name == name);
    }

    [Fact]
    public void Heads_and_neurons_are_found_in_the_dimensions_that_they_prune()
    {
        ParameterSpec proj = Small().Single(parameter => parameter.Name == "blocks.0.attn.proj.weight");
        Assert.Equal([new PrunedDimension(Axis.Heads, Dimension: 1), new PrunedDimension(Axis.ValueDims, Dimension: 2)], proj.Pruned);
        Assert.Equal([Architecture.EmbedDim, Architecture.Heads, Architecture.HeadDim], proj.ModelShape);

        static ParameterTable Small() => ParameterTable.For(Architecture, Architecture.FullWidths);
    }

    private static ViTArchitecture Architecture => SmallModel.Architecture("vit");
}
