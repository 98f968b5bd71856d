using SnapViT.Core.Architecture;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Models;

/// <summary>What was disposed says so, whatever is asked of it.</summary>
public sealed class DisposedModelTests
{
    [Fact, LeakCheck]
    public void A_disposed_model_and_its_weights_say_so()
    {
        ViTArchitecture architecture = SmallModels.Vit;
        using Tensor images = SmallModels.Images(architecture, 1);
        VisionTransformer model = SmallModels.Create(architecture);
        using Tensor tokens = model.Tokens(images);
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Embed(images));
        Assert.Throws<ObjectDisposedException>(() => model.Logits(images));
        Assert.Throws<ObjectDisposedException>(() => model.Tokens(images));
        Assert.Throws<ObjectDisposedException>(() => model.Pool(tokens));
        Assert.Throws<ObjectDisposedException>(() => model.Classify(tokens));
        Assert.Throws<ObjectDisposedException>(() => model.Weights["cls_token"]);
        Assert.Throws<ObjectDisposedException>(() => model.Weights.To(ScalarType.BFloat16));
    }
}
