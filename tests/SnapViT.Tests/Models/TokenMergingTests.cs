using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Models.Parts;
using SnapViT.Tests.Export;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

// Merging chooses pairs, and two forward passes may choose differently where two similarities nearly agree. The plain one says how clear its choices were:
// fixed models are chosen so that they are clear, random ones are left out where they are not.
[LeakCheck]
public sealed class TokenMergingTests
{
    private const double Clear = 1e-5;

    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    [Theory, MemberData(nameof(Families))]
    public void Models_that_are_smaller_on_every_axis_are_those_of_plain_loops_over_single_images(string family)
    {
        ShouldBePlain(family, TinyModels.EveryAxis(family), seed: 1);
        ShouldBePlain(family, TinyModels.MergedWithoutHeads(family), seed: 1);
    }

    [Fact]
    public void So_are_models_of_random_widths()
    {
        int compared = 0;
        (from family in Gen.Int[0, TinyModels.Families.Count - 1].Select(index => TinyModels.Families.Keys.ElementAt(index))
         from widths in RandomWidths(TinyModels.Families[family].Validated())
         from seed in Gen.Int[1, 1000]
         select (family, widths, seed)).Sample(
            sample => compared += ShouldBePlain(sample.family, sample.widths, (ulong)sample.seed, mayBeUnclear: true) ? 1 : 0, iter: 60, threads: 1);
        Assert.True(compared > 30, $"{compared} of 60 models had clear choices");
    }

    [Theory, MemberData(nameof(Families))]
    public void Every_patch_token_is_put_back_and_the_pool_of_them_is_the_feature(string family)
    {
        foreach (SubnetWidths widths in new[] { TinyModels.EveryAxis(family), TinyModels.MergedWithoutHeads(family) })
        {
            using VisionTransformer model = TinyModels.Create(family, widths);
            ViTArchitecture a = model.Architecture;
            using DisposeScope scope = NewDisposeScope();
            Tensor images = TinyModels.Images(a, 1), tokens = model.Tokens(images);
            Assert.Equal([1, a.Tokens, a.EmbedDim], tokens.shape);
            int left = (a.PooledTokens > 0 ? widths[1] : widths[2])[Axis.Tokens] - a.PrefixTokens;
            Assert.Equal(left, tokens[0].narrow(0, a.PrefixTokens, a.Patches).unique(dim: 0).output.shape[0]);
            model.Pool(tokens).ShouldBeWithinOfLargest(1e-5, model.Embed(images));
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void The_last_block_for_the_pooled_tokens_alone_gives_what_the_whole_one_gives(string family)
    {
        ViTArchitecture a = TinyModels.Families[family].Validated();
        foreach (SubnetWidths widths in new[] { a.FullWidths, TinyModels.Uneven(family), TinyModels.EveryAxis(family) })
        {
            using VisionTransformer model = TinyModels.Create(family, widths);
            using DisposeScope scope = NewDisposeScope();
            Tensor images = TinyModels.Images(a, 2), tokens = model.Tokens(images);
            model.Embed(images).ShouldBeWithinOfLargest(a.PooledTokens > 0 ? 1e-6 : 1e-5, model.Pool(tokens));
            if (a.Classes > 0)
            {
                model.Logits(images).ShouldBeWithinOfLargest(a.PooledTokens > 0 ? 1e-6 : 1e-5, model.Classify(tokens));
            }
        }
    }

    [Theory, MemberData(nameof(Families))]
    public void An_image_has_the_same_feature_alone_as_in_a_batch(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.EveryAxis(family));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 5);
        Tensor alone = cat([.. Enumerable.Range(0, 5).Select(image => model.Embed(images.narrow(0, image, 1)))], 0);
        model.Embed(images).ShouldBeWithinOfLargest(1e-5, alone);
    }

    [Fact]
    public void Merging_a_batch_gives_exactly_what_merging_its_images_gives()
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(4);
        Tensor tokens = randn([6, 18, 8], generator: generator), keys = randn([6, 2, 18, 8], generator: generator);
        TokenStream batch = new TokenStream(tokens).Merge(new TokenAffinity(keys), 13, prefix: 2);
        for (int image = 0; image < 6; image++)
        {
            TokenStream alone = new TokenStream(tokens.narrow(0, image, 1)).Merge(new TokenAffinity(keys.narrow(0, image, 1)), 13, prefix: 2);
            batch.Tokens.narrow(0, image, 1).ShouldBeWithin(0, alone.Tokens);
            batch.Sizes!.narrow(0, image, 1).ShouldBeWithin(0, alone.Sizes!);
        }
    }

    [Fact]
    public void Prefix_tokens_never_move_and_what_all_tokens_add_up_to_stays() => Gen.Select(
        Gen.Int[0, 6], Gen.Int[2, 20], Gen.Int[1, 3], Gen.Int[1, 1000]).Sample(
        (prefix, patches, batch, seed) =>
        {
            using DisposeScope scope = NewDisposeScope();
            using Generator generator = new((ulong)seed);
            Tensor tokens = randn([batch, prefix + patches, 4], generator: generator);
            TokenStream stream = new(tokens);
            while (stream.Tokens.shape[1] - prefix >= 2)
            {
                long count = stream.Tokens.shape[1], left = count - Math.Max(1, (count - prefix) / 2 * seed / 1000);
                stream = stream.Merge(new TokenAffinity(randn([batch, 3, count, 5], generator: generator)), left, prefix);
                Assert.Equal([batch, left, 4], stream.Tokens.shape);
                stream.Tokens.narrow(1, 0, prefix).ShouldBeWithin(0, tokens.narrow(1, 0, prefix));
                stream.Sizes!.narrow(1, 0, prefix).ShouldBeWithin(0, ones(batch, prefix));
                stream.Sizes!.sum(1).ShouldBeWithin(0, full([batch], (float)(prefix + patches)));
                (stream.Tokens * stream.Sizes!.unsqueeze(2)).sum(1).ShouldBeWithin(1e-4, tokens.sum(1));
            }
        },
        iter: 100, threads: 1);

    [Fact]
    public void Equal_similarities_are_merged_in_the_order_of_their_places()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = tensor(new float[] { 9, 0, 1, 2, 3, 4, 5, 6, 7 }, [1, 9, 1]), keys = ones(1, 1, 9, 1);

        // Places behind the prefix token: 0, 2, 4 go into 1, the first of all that are equally similar.
        TokenStream merged = new TokenStream(tokens).Merge(new TokenAffinity(keys), 6, prefix: 1);
        merged.Tokens.flatten().ShouldBeWithin(1e-6, tensor(new float[] { 9, (0 + 1 + 2 + 4) / 4f, 3, 5, 6, 7 }));
        merged.Sizes!.flatten().ShouldBeWithin(0, tensor(new float[] { 1, 4, 1, 1, 1, 1 }));
        merged.Positions!.flatten().to(ScalarType.Float32).ShouldBeWithin(0, tensor(new float[] { 0, 1, 3, 5, 6, 7 }));
    }

    [Fact]
    public void A_merged_token_is_the_mean_of_all_patches_in_it_however_often_it_is_merged()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = tensor(new float[] { 1, 2, 6, 100 }, [1, 4, 1]);
        TokenStream first = new TokenStream(tokens).Merge(new TokenAffinity(tensor(new float[] { 1, 1, -1, -1 }, [1, 1, 4, 1])), 3, prefix: 0);
        first.Tokens.flatten().ShouldBeWithin(1e-6, tensor(new float[] { 1.5f, 6, 100 }));
        TokenStream second = first.Merge(new TokenAffinity(tensor(new float[] { 1, 1, -1 }, [1, 1, 3, 1])), 2, prefix: 0);
        second.Tokens.flatten().ShouldBeWithin(1e-6, tensor(new float[] { 3, 100 }));
        second.Sizes!.flatten().ShouldBeWithin(0, tensor(new float[] { 3, 1 }));
    }

    [Fact]
    public void Of_pairs_that_are_equally_similar_those_go_first_that_the_class_token_attends_to_less()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = tensor(new float[] { 9, 1, 2, 3, 4 }, [1, 5, 1]), keys = tensor(new float[] { 0, 0, 2, 1, 1, 2, 2, 1, 1, 2 }, [1, 1, 5, 2]);
        Tensor attention = tensor(new[] { 0.1f, 0.6f, 0.1f, 0.1f, 0.1f }, [1, 5]);

        // Places 0 and 2 behind the class token are equally far from those they are compared with.
        new TokenStream(tokens).Merge(new TokenAffinity(keys), 4, prefix: 1).Sizes!.flatten().ShouldBeWithin(0, tensor(new float[] { 1, 2, 1, 1 }));
        new TokenStream(tokens).Merge(new TokenAffinity(keys, attention), 4, prefix: 1).Tokens.flatten()
            .ShouldBeWithin(1e-6, tensor(new float[] { 9, 1, 2.5f, 4 }));
    }

    [Theory, MemberData(nameof(Families))]
    public void Merging_nothing_leaves_a_model_as_it_is(string family)
    {
        ViTArchitecture a = TinyModels.Families[family].Validated();
        SubnetWidths pooled = a.PooledTokens > 0 ? a.FullWidths.With(2, Axis.Tokens, a.PooledTokens) : a.FullWidths;
        using VisionTransformer whole = TinyModels.Create(family), same = TinyModels.Create(family, pooled);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(a, 2);
        same.Tokens(images).ShouldBeWithin(0, whole.Tokens(images));
        same.Embed(images).ShouldBeWithin(0, whole.Embed(images));
        TokenStream stream = new(whole.Tokens(images));
        TokenStream unmerged = stream.Merge(new TokenAffinity(ones(2, 1, a.Tokens, 3)), a.Tokens, a.PrefixTokens);
        unmerged.Tokens.ShouldBeWithin(0, stream.Tokens);
        unmerged.Sizes!.ShouldBeWithin(0, ones(2, a.Tokens));
    }

    private static Gen<SubnetWidths> RandomWidths(ViTArchitecture a) =>
        from blocks in Gen.Select(Gen.Int[0, a.Heads], Gen.Int[1, a.HeadDim], Gen.Int[1, a.HeadDim], Gen.Int[0, a.MlpDim], Gen.Double[0, 1]).Array[a.Depth]
        select Scheduled(a, blocks);

    private static SubnetWidths Scheduled(ViTArchitecture a, (int Heads, int Queries, int Values, int Neurons, double Merged)[] blocks)
    {
        List<BlockWidths> widths = [];
        int tokens = a.Tokens;
        foreach ((int heads, int queries, int values, int neurons, double merged) in blocks)
        {
            tokens = widths.Count < a.Depth - 1 || a.PooledTokens == 0 ? tokens - (int)(merged * ((tokens - a.PrefixTokens) / 2)) : tokens;
            widths.Add(new BlockWidths
            {
                [Axis.Heads] = heads,
                [Axis.QueryKeyDims] = a.Position == PositionEmbedding.Rotary ? 2 * ((queries + 1) / 2) : queries,
                [Axis.ValueDims] = values,
                [Axis.Tokens] = tokens,
                [Axis.Neurons] = neurons,
            });
        }

        return new SubnetWidths(widths);
    }

    private static bool ShouldBePlain(string family, SubnetWidths widths, ulong seed, bool mayBeUnclear = false)
    {
        using VisionTransformer model = TinyModels.Create(family, widths, seed);
        ViTArchitecture a = model.Architecture;
        using DisposeScope scope = NewDisposeScope();
        Tensor images = TinyModels.Images(a, 2);
        PlainVisionTransformer plain = new(model);
        double[][][] tokens = [.. Enumerable.Range(0, 2).Select(image => plain.Tokens([.. images[image].data<float>().Select(pixel => (double)pixel)]))];
        if (mayBeUnclear && plain.Margin < Clear)
        {
            return false;
        }

        Assert.True(plain.Margin > Clear, $"choices differ by {plain.Margin:G3} only: take another seed");
        double[] features = [.. tokens.SelectMany(plain.Pool)];
        model.Tokens(images).ShouldBeWithinOfLargest(2e-5, tensor([.. tokens.SelectMany(all => all.SelectMany(token => token))], [2, a.Tokens, a.EmbedDim]));
        model.Embed(images).ShouldBeWithinOfLargest(2e-5, tensor(features, [2, a.FeatureDim]));
        return true;
    }
}
