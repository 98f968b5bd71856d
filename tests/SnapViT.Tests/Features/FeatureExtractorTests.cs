using SnapViT.Core.Architecture;
using SnapViT.Features;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Features;

[LeakCheck]
public sealed class FeatureExtractorTests
{
    private static readonly ViTArchitecture Vit = SmallModels.Vit;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(100)]
    public void Features_come_in_the_order_of_the_images_whatever_the_batch(int size)
    {
        using VisionTransformer model = SmallModels.Create(Vit);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(Vit, 7);
        Tensor features = FeatureExtractor.Embed(model, images.split(size), TestContext.Current.CancellationToken);
        Assert.Equal([7, Vit.EmbedDim], features.shape);
        Assert.Equal(ScalarType.Float32, features.dtype);
        Assert.False(features.requires_grad);
        features.ShouldBeWithinOfLargest(1e-5, model.Embed(images));
    }

    [Fact]
    public void Every_batch_is_disposed_once_it_was_used_and_none_is_made_before_it_is_needed()
    {
        using VisionTransformer model = SmallModels.Create(Vit);
        List<Tensor> made = [];
        using Tensor features = FeatureExtractor.Embed(model, Batches(), TestContext.Current.CancellationToken);
        Assert.All(made, batch => Assert.True(batch.IsInvalid));

        IEnumerable<Tensor> Batches()
        {
            for (int i = 0; i < 3; i++)
            {
                Assert.All(made, batch => Assert.True(batch.IsInvalid));
                made.Add(SmallModels.Images(Vit, 2));
                yield return made[^1];
            }
        }
    }

    [Fact]
    public void No_image_is_refused()
    {
        using VisionTransformer model = SmallModels.Create(Vit);
        ArgumentException fault = Assert.Throws<ArgumentException>(() => FeatureExtractor.Embed(model, [], TestContext.Current.CancellationToken));
        Assert.StartsWith("expected at least one image, found none", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_of_another_shape_is_refused_and_leaves_nothing_behind()
    {
        using VisionTransformer model = SmallModels.Create(Vit);
        ArgumentException fault = Assert.Throws<ArgumentException>(() =>
            FeatureExtractor.Embed(model, Batches([2, 3, 16, 16], [2, 3, 16, 12]), TestContext.Current.CancellationToken));
        Assert.StartsWith("images: expected shape [B, 3, 16, 16], found [2, 3, 16, 12]", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cancelled_pass_stops_before_the_next_batch_and_leaves_nothing_behind()
    {
        using VisionTransformer model = SmallModels.Create(Vit);
        using CancellationTokenSource stop = new();
        int made = 0;
        Assert.Throws<OperationCanceledException>(() => FeatureExtractor.Embed(model, Stopping(), stop.Token));
        Assert.Equal(3, made);

        IEnumerable<Tensor> Stopping()
        {
            foreach (Tensor batch in Batches([1, 3, 16, 16], [1, 3, 16, 16], [1, 3, 16, 16], [1, 3, 16, 16]))
            {
                if (++made == 3)
                {
                    stop.Cancel();
                }

                yield return batch;
            }
        }
    }

    private static IEnumerable<Tensor> Batches(params long[][] shapes) => shapes.Select(shape => zeros(shape));
}
