using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Evaluation;
using SnapViT.Models;
using SnapViT.Tests.Data;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Workflows;

[LeakCheck]
public sealed class ModelEvaluationTests : IDisposable
{
    private static readonly Preprocessing Preprocess = Preprocessing.ForCrop(SmallModels.Vit.ImageSize, 1);
    private static readonly string[] Names = ["ant", "bee", "cat"];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private readonly TemporaryImages _test = new();
    private readonly TemporaryImages _train = new();
    private readonly VisionTransformer _model = SmallModels.Create(SmallModels.Vit);

    public ModelEvaluationTests()
    {
        for (int i = 0; i < 12; i++)
        {
            _test.Put($"{Names[i % 3]}/{i:D2}.png", TemporaryImages.Random(20, 16, (ulong)i));
        }

        for (int i = 0; i < 30; i++)
        {
            _train.Put($"{Names[i % 3]}/{i:D2}.png", TemporaryImages.Random(16, 20, 100 + (ulong)i));
        }
    }

    public void Dispose()
    {
        _model.Dispose();
        _test.Dispose();
        _train.Dispose();
    }

    [Fact]
    public void Accuracies_are_those_of_one_image_at_a_time()
    {
        ImageSet test = ImageSet.FromFolder(_test.Root), train = ImageSet.FromFolder(_train.Root);
        EvaluationRow row = Assert.Single(Evaluate(4).Run([_model], test, train, Stop));
        using DisposeScope scope = NewDisposeScope();
        Tensor images = Images(test), labels = tensor(test.Entries.Select(file => (long)file.Label!.Value).ToArray());
        Assert.Equal(_model.Logits(images).argmax(1).eq(labels).sum().item<long>() / 12.0, row.Top1?.Share);
        using NearestNeighbours neighbours = new(_model.Embed(Images(train)), [.. train.Entries.Select(file => file.Label!.Value)]);
        Assert.Equal(neighbours.Accuracy(_model.Embed(images), [.. test.Entries.Select(file => file.Label!.Value)]), row.Knn?.Share);
        Assert.InRange(row.ImagesPerSecond, double.Epsilon, double.MaxValue);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(9)]
    public void Top_5_is_measured_where_a_classifier_has_more_classes(int classes)
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit with { Classes = classes });
        ImageSet test = ImageSet.FromFolder(_test.Root);
        test = new ImageSet(test.Source, test.Entries, [.. Enumerable.Range(0, classes).Select(number => $"{number}")]);
        EvaluationRow row = Assert.Single(Evaluate(5).Run([model], test, null, Stop));
        using DisposeScope scope = NewDisposeScope();
        float[] logits = model.Logits(Images(test)).data<float>().ToArray();
        int among = test.Entries.Where((entry, image) =>
        {
            float[] own = logits[(image * classes)..((image + 1) * classes)];
            return own.Count(logit => logit > own[entry.Label!.Value]) < 5;
        }).Count();
        Assert.Equal(classes > 5 ? among / 12.0 : null, row.Top5?.Share);
        Assert.True(row.Top5 is null || row.Top5.Share >= row.Top1!.Share);
    }

    [Fact]
    public void Every_sub_network_has_a_row_with_its_own_costs()
    {
        using ElasticViT elastic = new(_model, SmallModels.Scores(SmallModels.Vit), new KeepFloors(0, 0));
        Subnet[] subnets = [.. PruningRatios.Paper.Select(ratios => elastic.At(Budget.Ratios(ratios)))];
        IReadOnlyList<EvaluationRow> rows = Evaluate(4).Run([.. subnets.Select(subnet => subnet.Model)], ImageSet.FromFolder(_test.Root), null, Stop);
        Assert.Equal(subnets.Select(subnet => (subnet.Plan.Parameters, subnet.Plan.Flops, subnet.Plan.Removed)), rows.Select(row => (row.Parameters, row.Flops, row.Removed)));
        for (int i = 0; i < subnets.Length; i++)
        {
            Assert.Equal(Assert.Single(Evaluate(4).Run([subnets[i].Model], ImageSet.FromFolder(_test.Root), null, Stop)).Top1?.Share, rows[i].Top1?.Share);
            subnets[i].Dispose();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100)]
    public void The_batch_size_changes_no_accuracy(int size)
    {
        ImageSet test = ImageSet.FromFolder(_test.Root), train = ImageSet.FromFolder(_train.Root);
        EvaluationRow expected = Assert.Single(Evaluate(4).Run([_model], test, train, Stop));
        EvaluationRow row = Assert.Single(Evaluate(size).Run([_model], test, train, Stop));
        Assert.Equal((expected.Top1!.Share, expected.Knn!.Share, expected.WeightedKnn!.Share), (row.Top1!.Share, row.Knn!.Share, row.WeightedKnn!.Share));
    }

    [Fact]
    public void Labels_of_sub_folders_and_of_a_label_file_give_the_same_row()
    {
        using TemporaryImages flat = new();
        foreach (ImageEntry file in ImageSet.FromFolder(_test.Root).Entries)
        {
            flat.Put(file.Name.Replace('/', '_'), File.ReadAllBytes(file.Location));
        }

        string labels = flat.Put("labels.txt", "ant six legs\nbee six legs and a sting\ncat four legs\n"u8);
        EvaluationRow byFolder = Assert.Single(Evaluate(4).Run([_model], ImageSet.FromFolder(_test.Root), null, Stop));
        EvaluationRow byFile = Assert.Single(Evaluate(4).Run([_model], ImageSet.FromFolder(flat.Root, LabelFile.Read(labels)), null, Stop));
        Assert.Equal((byFolder.Top1!.Share, byFolder.Top1.Interval, byFolder.Images), (byFile.Top1!.Share, byFile.Top1.Interval, byFile.Images));
    }

    [Fact]
    public void What_was_not_asked_for_or_cannot_be_is_not_measured()
    {
        _test.Put("dog/99.png", TemporaryImages.Random(16, 16, 99));
        EvaluationRow fourClasses = Assert.Single(Evaluate(4).Run([_model], ImageSet.FromFolder(_test.Root), null, Stop));
        Assert.Equal((null, null), (fourClasses.Top1, fourClasses.Knn));
    }

    [Fact]
    public void Images_without_labels_are_refused()
    {
        using TemporaryImages flat = new();
        ImageException exception = Assert.Throws<ImageException>(() => Evaluate(4).Run([_model], flat.PutMany(3), null, Stop));
        Assert.Equal($"{flat.Root}: expected labels: one sub-folder per class, or a list of labels for a flat folder; found none", exception.Message);
    }

    [Fact]
    public void A_class_that_one_set_lacks_is_noted_and_its_test_images_are_not_counted()
    {
        _train.Put("dog/99.png", TemporaryImages.Random(16, 16, 99));
        Directory.Delete(Path.Combine(_train.Root, "ant"), recursive: true);
        ModelEvaluation evaluation = Evaluate(4);
        EvaluationRow row = Assert.Single(evaluation.Run([_model], ImageSet.FromFolder(_test.Root), ImageSet.FromFolder(_train.Root), Stop));
        Assert.Equal((12, 8), (row.Images, row.KnnImages));
        Assert.Equal(
            [
                "top-1: the sorted names of the 3 classes are taken for the order of the model's, for nothing says another",
                "k-NN: test images of classes without training images are not counted (ant)",
                "k-NN: training images of classes without test images take part (dog)",
            ],
            evaluation.Notes);
    }

    [Fact]
    public void Training_images_of_no_class_of_the_test_are_refused()
    {
        using TemporaryImages others = new();
        others.Put("dog/99.png", TemporaryImages.Random(16, 16, 99));
        ImageException exception = Assert.Throws<ImageException>(
            () => Evaluate(4).Run([_model], ImageSet.FromFolder(_test.Root), ImageSet.FromFolder(others.Root), Stop));
        Assert.Equal($"{others.Root}: expected classes of {_test.Root} (ant, bee, cat), found none of them (dog)", exception.Message);
    }

    [Fact]
    public void Names_of_the_models_classes_decide_which_answers_are_right()
    {
        ImageSet test = ImageSet.FromFolder(_test.Root);
        ModelEvaluation evaluation = new(Preprocess, 4, CPU) { ClassNames = ["cat", "ant", "bee"] };
        EvaluationRow row = Assert.Single(evaluation.Run([_model], test, null, Stop));
        Assert.Empty(evaluation.Notes);
        using DisposeScope scope = NewDisposeScope();
        Tensor labels = tensor(test.Entries.Select(file => (file.Label!.Value + 1L) % 3).ToArray());
        Assert.Equal(_model.Logits(Images(test)).argmax(1).eq(labels).sum().item<long>() / 12.0, row.Top1?.Share);
    }

    [Fact]
    public void A_broken_image_is_named_and_counts_for_nothing()
    {
        for (int i = 12; i < 30; i++)
        {
            _test.Put($"{Names[i % 3]}/{i:D2}.png", TemporaryImages.Random(20, 16, (ulong)i));
        }

        string broken = Path.Combine(_test.Root, "bee/04.png");
        byte[] whole = File.ReadAllBytes(broken);
        File.WriteAllBytes(broken, whole.AsSpan(0, 60));
        ModelEvaluation evaluation = Evaluate(4);
        EvaluationRow with = Assert.Single(evaluation.Run([_model], ImageSet.FromFolder(_test.Root), null, Stop));
        Assert.Equal(["bee/04.png"], evaluation.Skipped.Select(file => file.Name));
        File.Delete(broken);
        EvaluationRow without = Assert.Single(Evaluate(4).Run([_model], ImageSet.FromFolder(_test.Root), null, Stop));
        Assert.Equal(without.Top1!.Share, with.Top1!.Share);
    }

    [Fact]
    public void A_batch_of_nothing_is_refused() =>
        Assert.Equal("batch: expected at least 1, found 0", Assert.Throws<SnapViTException>(() => Evaluate(0)).Message);

    [Fact]
    public void Cancellation_ends_it_between_two_batches()
    {
        using CancellationTokenSource stop = new();
        List<long> told = [];
        ModelEvaluation evaluation = new(Preprocess, 4, CPU, new Told(progress =>
        {
            told.Add(progress.Done);
            if (progress.Done > 0)
            {
                stop.Cancel();
            }
        }));
        Assert.Throws<OperationCanceledException>(() => evaluation.Run([_model], ImageSet.FromFolder(_test.Root), null, stop.Token));
        Assert.Equal([0L, 4L], told);
    }

    [Fact]
    public void A_thousand_images_need_no_more_tensors_than_a_hundred()
    {
        using TemporaryImages many = new();
        byte[] image = TemporaryImages.Encode(TemporaryImages.Random(16, 16), SkiaSharp.SKEncodedImageFormat.Png);
        for (int i = 0; i < 1000; i++)
        {
            many.Put($"{Names[i % 3]}/{i:D4}.png", image);
        }

        ImageSet all = ImageSet.FromFolder(many.Root);
        Dictionary<long, long> live = [];
        long before = Tensor.TotalCount;
        ModelEvaluation evaluation = new(Preprocess, 10, CPU, new Told(progress => live[progress.Done] = Tensor.TotalCount - before));
        evaluation.Run([_model], all, null, Stop);
        Assert.Equal(101, live.Count);
        Assert.Equal(live[100], live.Values.Max());
    }

    private static ModelEvaluation Evaluate(int batch) => new(Preprocess, batch, CPU);

    private static Tensor Images(ImageSet folder)
    {
        float[][] images = [.. folder.Entries.Select(file => Preprocess.Apply(file.Decode()))];
        long side = Preprocess.Side;
        return tensor(images.SelectMany(image => image).ToArray(), [images.Length, 3, side, side]);
    }
}
