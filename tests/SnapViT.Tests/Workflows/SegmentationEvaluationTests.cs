using SkiaSharp;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Evaluation;
using SnapViT.Models;
using SnapViT.Tests.Data;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Tests.Workflows;

/// <summary>Folders as PASCAL VOC has them, in miniature: bright squares on dark ground.</summary>
[LeakCheck]
public sealed class SegmentationEvaluationTests : IDisposable
{
    private const int Side = 32;

    private readonly TemporaryImages _voc = new();
    private readonly VisionTransformer _model = SmallModels.Create(SmallModels.Vit);

    public SegmentationEvaluationTests()
    {
        for (int i = 0; i < 12; i++)
        {
            Put($"{i:D2}", (i * 5 % 3) * 8, (i * 7 % 3) * 8);
        }

        List("train", 0, 8);
        List("val", 8, 4);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private VocSegmentation Train => VocSegmentation.Open(_voc.Root, "train");

    private VocSegmentation Val => VocSegmentation.Open(_voc.Root, "val");

    public void Dispose()
    {
        _model.Dispose();
        _voc.Dispose();
    }

    [Fact]
    public void Squares_are_found_by_the_patches_that_lie_in_them()
    {
        SegmentationEvaluation evaluation = New();
        EvaluationRow row = Assert.Single(evaluation.Run([_model], _voc.Root, cancellation: Stop));
        Accuracy miou = row.MeanIou!;
        Assert.Equal((2, 4), (evaluation.Classes, row.Images));
        Assert.InRange(miou.Share, miou.Interval.Low, miou.Interval.High);
        Assert.True(row.PixelAccuracy > 0.75, $"right pixels: {row.PixelAccuracy}");
        Assert.True(miou.Share > 0.4, $"mIoU: {miou.Share}");
        Assert.Null(miou.Loss);
        Assert.Contains(row.ProbeLearningRate!.Value, evaluation.Training.LearningRates);
        Assert.Equal(CostModel.Flops(SmallModels.Vit, SmallModels.Vit.FullWidths), row.Flops);
        Assert.Empty(evaluation.Skipped);
    }

    [Fact]
    public void Two_models_that_are_one_differ_by_nothing()
    {
        Accuracy second = New().Run([_model, _model], Train, Val, Stop)[1].MeanIou!;
        Assert.Equal((0, (0.0, 0.0)), (second.Loss, second.LossInterval));
    }

    // Every patch of the last image has a class of its own, which must be trained on; the others share theirs.
    [Fact]
    public void Learning_rates_are_compared_on_whole_images_and_every_class_is_trained()
    {
        int[] images = [.. Enumerable.Range(0, 110).Select(row => row / 10)];
        int[] labels = [.. Enumerable.Range(0, 110).Select(row => row < 100 ? row % 10 % 3 : 3 + (row % 10))];
        for (ulong seed = 0; seed < 20; seed++)
        {
            bool[] held = LinearProbe.HeldOutImages(labels, images, 0.2, seed);
            Assert.All(images.Zip(held).GroupBy(row => row.First), rows => Assert.Single(rows.Select(row => row.Second).Distinct()));
            Assert.Equal(20, held.Count(row => row));
            Assert.False(held[^1]);
        }

        Assert.Equal(4, LinearProbe.HeldOutImages([0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 1, 1, 1], 0.2, 1).Count(row => row));
        Assert.DoesNotContain(true, LinearProbe.HeldOutImages([0, 1], [0, 0], 0.2, 1));
    }

    [Fact]
    public void Options_of_the_training_that_are_out_of_range_are_named_together()
    {
        SegmentationEvaluation evaluation = new(Preprocessing.ForCrop(SmallModels.Vit.ImageSize, 1), 4, CPU)
        {
            Training = new LinearProbeOptions { LearningRates = [0.1, -1], Epochs = 0, Momentum = 1 },
        };
        SnapViTException exception = Assert.Throws<SnapViTException>(() => evaluation.Run([_model], _voc.Root, cancellation: Stop));
        Assert.Equal(
            "linear probe: expected learning rates above 0, found 0.1, -1; expected at least 1 epoch, found 0; "
                + "expected a momentum of 0 or more and below 1, found 1",
            exception.Message);
        Assert.Equal(ErrorKind.Option, exception.Kind);
    }

    [Fact]
    public void The_mean_is_over_classes_that_occur_and_as_counted_pixel_by_pixel()
    {
        int[] confusion = SegmentationScore.Confusion([0, 0, 1, 1, 255, 0], [0, 1, 1, 1, 0, 0], 3);
        (Accuracy miou, double pixels) = Assert.Single(SegmentationScore.Of([[confusion]], 3, 1));
        Assert.Equal([2.0 / 3, 2.0 / 3, null], miou.PerClass);
        Assert.Equal(2.0 / 3, miou.Share, 12);
        Assert.Equal(0.8, pixels, 12);
    }

    [Fact]
    public void A_patch_has_the_class_of_most_of_its_pixels()
    {
        byte[] mask = [1, 1, 255, 255, 1, 2, 255, 255, 0, 0, 3, 255, 0, 0, 255, 255];
        Assert.Equal([1, -1, 0, 3], SegmentationEvaluation.OfPatches(mask, 2));
    }

    [Fact]
    public void Masks_with_the_palette_and_of_grey_values_say_the_same()
    {
        ClassMask palette = Train.Mask("00");
        _voc.Put("SegmentationClass/00.png", PngBytes.Write(Side, Side, PngBytes.Gray, palette.Classes));
        Assert.Equal(palette.Classes, Train.Mask("00").Classes);
        Assert.Equal([0, 1, 255], palette.Classes.Distinct().Order().Select(value => (int)value));
        Assert.Equal(0xe0e0c0, VocSegmentation.Colour(255));
        Assert.Equal(0x800000, VocSegmentation.Colour(1));
    }

    [Fact]
    public void A_folder_around_it_is_looked_through_and_another_one_is_refused()
    {
        using TemporaryImages outer = new();
        Directory.Move(_voc.Root, Path.Combine(outer.Root, "VOC2012"));
        Assert.Equal(8, VocSegmentation.Open(outer.Root, "train").Set.Count);
        Directory.Move(Path.Combine(outer.Root, "VOC2012"), _voc.Root);
        ImageException exception = Assert.Throws<ImageException>(() => VocSegmentation.Open(outer.Root, "train"));
        Assert.Contains("found no JPEGImages", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_mask_and_an_unknown_split_are_named()
    {
        File.Delete(Path.Combine(_voc.Root, "SegmentationClass/03.png"));
        Assert.Contains("03: expected SegmentationClass/03.png, found no such file", Assert.Throws<ImageException>(() => Train).Message, StringComparison.Ordinal);
        ImageException split = Assert.Throws<ImageException>(() => VocSegmentation.Open(_voc.Root, "test"));
        Assert.Contains("expected a split 'test' in ImageSets/Segmentation, found train, val", split.Message, StringComparison.Ordinal);
        _voc.Put("ImageSets/Segmentation/odd.txt", "../../secret\n"u8);
        Assert.Contains("expected names of images", Assert.Throws<ImageException>(() => VocSegmentation.Open(_voc.Root, "odd")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mask_of_another_size_or_kind_is_refused_with_its_name()
    {
        _voc.Put("SegmentationClass/09.png", PngBytes.Write(4, 4, PngBytes.Gray, new byte[16]));
        ImageException size = Assert.Throws<ImageException>(() => New().Run([_model], Train, Val, Stop));
        Assert.Contains("expected a mask of 32 x 32 pixels, found 4 x 4", size.Message, StringComparison.Ordinal);
        _voc.Put("SegmentationClass/09.png", TemporaryImages.Random(Side, Side));
        Assert.Contains("expected a PNG with a palette or of grey values", Assert.Throws<ImageException>(() => Val.Mask("09")).Message, StringComparison.Ordinal);
        _voc.Put("SegmentationClass/09.png", PngBytes.Write(Side, Side, PngBytes.Gray, [.. Enumerable.Repeat((byte)7, Side * Side)]));
        ImageException unlearned = Assert.Throws<ImageException>(() => New().Run([_model], Train, Val, Stop));
        Assert.Contains("expected classes of 0 to 1, as the training masks have them, found 7", unlearned.Message, StringComparison.Ordinal);
    }

    private static SegmentationEvaluation New() => new(Preprocessing.ForCrop(SmallModels.Vit.ImageSize, 1), 4, CPU) { Seed = 1 };

    private void List(string split, int first, int count) => _voc.Put(
        $"ImageSets/Segmentation/{split}.txt",
        System.Text.Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(first, count).Select(i => $"{i:D2}")) + "\n"));

    /// <summary>A bright square of 16 pixels on dark ground, class 1 on 0, with a border that is not counted.</summary>
    private void Put(string name, int left, int top)
    {
        byte[] pixels = new byte[Side * Side * 3], classes = new byte[Side * Side];
        for (int pixel = 0; pixel < classes.Length; pixel++)
        {
            int x = (pixel % Side) - left, y = (pixel / Side) - top;
            bool inside = x is >= 0 and < 16 && y is >= 0 and < 16;
            classes[pixel] = inside ? (byte)(x == 0 ? 255 : 1) : (byte)0;
            pixels.AsSpan(pixel * 3, 3).Fill(inside ? (byte)230 : (byte)20);
        }

        byte[] palette = [.. Enumerable.Range(0, 256).SelectMany(index =>
        {
            int colour = VocSegmentation.Colour(index);
            return new[] { (byte)(colour >> 16), (byte)(colour >> 8), (byte)colour };
        })];
        _voc.Put($"JPEGImages/{name}.jpg", new RgbImage(Side, Side, pixels), SKEncodedImageFormat.Jpeg);
        _voc.Put($"SegmentationClass/{name}.png", PngBytes.Write(Side, Side, PngBytes.Palette, classes, ("PLTE", palette)));
    }
}
