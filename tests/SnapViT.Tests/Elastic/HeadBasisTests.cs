using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

public sealed class HeadBasisTests
{
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void The_model_in_the_bases_of_its_heads_is_the_same_model(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using CalibrationMoments moments = new(loaded.Model.Architecture, withHeads: true);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        moments.Add(loaded.Model, images);
        using HeadBasis basis = new(moments.Heads!.Bases(loaded.Model.Weights, moments), loaded.Model.Architecture);
        using VisionTransformer sorted = new(basis.Apply(loaded.Model.Weights));
        sorted.Embed(images).ShouldBeWithinOfLargest(1e-5, loaded.Model.Embed(images));
    }

    [Theory, LeakCheck]
    [InlineData("timm_vit")]
    [InlineData("siglip2")]
    public void Queries_have_the_moments_that_the_basis_sorts_them_by(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        using CalibrationMoments moments = new(a, withHeads: true), after = new(a, withHeads: true);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        moments.Add(loaded.Model, images);
        StoredHeadBasis stored = moments.Heads!.Bases(loaded.Model.Weights, moments);
        using HeadBasis basis = new(stored, a);
        using VisionTransformer sorted = new(basis.Apply(loaded.Model.Weights));

        // In their own basis the queries' second moments are diagonal, the largest first: the basis of the basis is a scaled identity.
        after.Add(sorted, images);
        StoredHeadBasis again = after.Heads!.Bases(sorted.Weights, after);
        Assert.All(Enumerable.Range(0, a.Depth), block =>
        {
            Tensor square = tensor(again.Queries[block], [a.Heads, a.HeadDim, a.HeadDim]).abs();
            Tensor first = square.select(1, 0);
            Assert.True(first.argmax(1).eq(zeros([a.Heads], ScalarType.Int64)).all().item<bool>(), $"block {block}");
        });
    }
}
