using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Correction;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Correction;

[LeakCheck]
public sealed class CorrectionOptionsTests
{
    // 17 tokens an image, 24 neurons and 16 inputs of proj: 96 tokens are 4 for each neuron.
    [Theory]
    [InlineData(1, "correction: fitted on 17 tokens (1 calibration images, every view counted) for layers of 24 inputs; ")]
    [InlineData(5, "correction: fitted on 85 tokens (5 calibration images, every view counted) for layers of 24 inputs; ")]
    [InlineData(6, null)]
    [InlineData(60, null)]
    public void A_correction_by_fewer_than_four_tokens_an_input_is_in_doubt(int images, string? doubt)
    {
        ViTArchitecture a = SmallModels.Vit;
        using VisionTransformer model = SmallModels.Create(a);
        using CalibrationMoments moments = new(a);
        using Tensor photos = rand(images, 3, a.ImageSize, a.ImageSize);
        moments.Add(model, photos);
        string? said = CorrectionOptions.Doubt(moments.ToStored(), a.Tokens);
        Assert.Equal(doubt is null, said is null);
        Assert.StartsWith(doubt ?? "", said ?? "", StringComparison.Ordinal);
        Assert.EndsWith(doubt is null ? "" : "take at least 6 images, or no correction", said ?? "", StringComparison.Ordinal);
    }
}
