using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

// Numbers: golden/timm_vit/sparsegpt.safetensors, the reference's elastic path on two batches of four calibration images.
public sealed class ElasticCorrectionGoldenTests
{
    [Theory, LeakCheck]
    [InlineData("elastic.0.35-0.2.mean.0.01", 0.35, 0.2, DampingKind.Mean, 0.01)]
    [InlineData("elastic.0.35-0.2.max.0.1", 0.35, 0.2, DampingKind.Max, 0.1)]
    [InlineData("elastic.0.35-0.2.percentile.0.01", 0.35, 0.2, DampingKind.Percentile, 0.01)]
    [InlineData("elastic.0.65-0.5.mean.0.01", 0.65, 0.5, DampingKind.Mean, 0.01)]
    public void A_sub_network_is_corrected_as_the_reference_s(string key, double mlp, double heads, DampingKind kind, double share)
    {
        using Golden golden = Golden.Open("timm_vit", "sparsegpt.safetensors");
        using Golden scores = Golden.Open("timm_vit", "dino.safetensors");
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.TimmVit();
        using CalibrationMoments moments = new(loaded.Model.Architecture);
        using DisposeScope scope = NewDisposeScope();
        moments.Add(loaded.Model, golden.Float("corr_images_0"));
        moments.Add(loaded.Model, golden.Float("corr_images_1"));
        CorrectionOptions options = new() { Mode = CorrectionMode.SparseGpt, Damping = new Damping(kind, share) };
        using ElasticViT elastic = new(
            loaded.Model,
            new ImportanceScores(scores.Matrix("mlp_scores"), scores.Matrix("head_scores")),
            new KeepFloors(),
            order => new ElasticCorrection(loaded.Model.Weights, moments, order, options));
        using Subnet subnet = elastic.At(Budget.Ratios(mlp, heads));
        foreach (string name in golden.Names.Where(name => name.StartsWith(key + ".blocks.", StringComparison.Ordinal)))
        {
            ParameterSpec parameter = subnet.Model.Weights.Table.Single(known => known.Name == name[(key.Length + 1)..]);
            parameter.ToCheckpoint(subnet.Model.Weights[parameter.Name]).ShouldBeWithinOfLargest(1e-3, golden.Float(name));
        }

        subnet.Embed(io.Float("images")).ShouldBeWithin(1e-4, golden.Float(key + ".features"));
    }
}
