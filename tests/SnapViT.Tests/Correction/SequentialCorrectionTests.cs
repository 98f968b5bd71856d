using SnapViT.Calibration;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

public sealed class SequentialCorrectionTests
{
    [Fact, LeakCheck]
    public void It_brings_the_last_layer_nearer_to_the_unpruned_one_than_the_correction_it_starts_from()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel loaded = Golden.TimmVit();
        Tensor images = Images();
        using ElasticViT elastic = Elastic(loaded, images);
        using Subnet affine = elastic.At(Budget.Ratios(0.45, 0.3));
        SequentialCorrection correction = new(loaded.Model, new Damping(DampingKind.Mean, 1e-4), prefixWeight: 1);
        using VisionTransformer sequential = correction.Apply(affine.Model, [images.alias()], TestContext.Current.CancellationToken);
        using IDisposable frozen = no_grad();
        Tensor wanted = loaded.Model.Tokens(images);
        double before = (affine.Model.Tokens(images) - wanted).norm().item<float>();
        double after = (sequential.Tokens(images) - wanted).norm().item<float>();
        Assert.True(after < before, $"{after} is not below {before}");
        Assert.Equal(affine.Model.Widths, sequential.Widths);
    }

    [Fact, LeakCheck]
    public void A_model_that_lost_nothing_is_left_as_it_is()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel loaded = Golden.TimmVit();
        Tensor images = Images();
        using VisionTransformer same = new SequentialCorrection(loaded.Model, new Damping(), 20).Apply(loaded.Model, [images.alias()], TestContext.Current.CancellationToken);
        same.Embed(images).ShouldBeWithin(0, loaded.Model.Embed(images));
    }

    [Fact, LeakCheck]
    public void Without_images_it_is_refused()
    {
        using LoadedModel loaded = Golden.TimmVit();
        Assert.Throws<ArgumentException>(() => new SequentialCorrection(loaded.Model, new Damping(), 20).Apply(loaded.Model, [], TestContext.Current.CancellationToken));
    }

    private static Tensor Images()
    {
        using Golden golden = Golden.Open("timm_vit", "sparsegpt.safetensors");
        return cat([golden.Float("corr_images_0"), golden.Float("corr_images_1")], 0);
    }

    private static ElasticViT Elastic(LoadedModel loaded, Tensor images)
    {
        using Golden scores = Golden.Open("timm_vit", "dino.safetensors");
        using CalibrationMoments moments = new(loaded.Model.Architecture);
        moments.Add(loaded.Model, images);
        return new ElasticViT(
            loaded.Model,
            new ImportanceScores(scores.Matrix("mlp_scores"), scores.Matrix("head_scores")),
            new KeepFloors(),
            order => new ElasticCorrection(loaded.Model.Weights, moments, order, new CorrectionOptions()));
    }
}
