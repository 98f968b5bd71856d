using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

/// <summary>A small elastic model large enough that a sub-network left behind shows in the memory of the process.</summary>
internal static class ElasticModels
{
    /// <summary>3 blocks of 4 heads and 256 neurons: 0.6 MB of weights, of which half are <c>proj</c> and <c>fc2</c>.</summary>
    public static ViTArchitecture Architecture { get; } = (SmallModels.Vit with { EmbedDim = 64, HeadDim = 16, MlpDim = 256 }).Validated();

    /// <summary>Ten budgets, the whole model among them.</summary>
    public static IReadOnlyList<PruningRatios> TenBudgets { get; } =
        [new(0, 0), new(0.15, 0), new(0.2, 0.1), new(0.25, 0.1), new(0.35, 0.2), new(0.45, 0.3), new(0.5, 0.4), new(0.55, 0.4), new(0.65, 0.5), new(0.9, 0.75)];

    public static ElasticViT Create(bool corrected)
    {
        using VisionTransformer model = SmallModels.Create(Architecture);
        using CalibrationMoments moments = new(Architecture);
        using Tensor images = SmallModels.Images(Architecture, 16);
        moments.Add(model, images);
        return new ElasticViT(
            model, SmallModels.Scores(Architecture), new KeepFloors(0, 0), corrected ? order => new ElasticCorrection(model.Weights, moments, order, new CorrectionOptions()) : null);
    }
}
