using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class ClassMappingTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("0 1 2 10", 11)]
    [InlineData("000 001 002 010", 11)]
    [InlineData("0 1 2 10", 1000)]
    public void Folders_that_are_numbers_are_class_numbers(string folders, int classes)
    {
        ClassMapping mapping = Of(folders, classes);
        Assert.Null(mapping.Fault);
        Assert.Null(mapping.Note);
        ImageSet images = ImageSet.FromFolder(_folder.Root);
        Assert.All(images.Entries, entry => Assert.Equal(int.Parse(entry.Name.Split('/')[0], null), mapping[entry.Label!.Value]));
    }

    [Theory]
    [InlineData("1 2 3", 3, "expected class numbers of 0 to 2, as the model has them, found 1 to 3; numbers from 1 may be of another order, as those of ImageNet's development kit are")]
    [InlineData("1 01", 3, "expected every class number once, found one with and without leading zeros")]
    [InlineData("ant bee", 3, "the model has 3 classes that its files do not name, found 2 (ant, bee); expected folders named by class number, or a list of labels with 3 lines in the model's order")]
    [InlineData("ant bee", 0, "the model has no classifier")]
    public void Classes_that_cannot_be_the_models_are_told_as_such(string folders, int classes, string fault) =>
        Assert.Equal(fault, Of(folders, classes).Fault);

    [Fact]
    public void As_many_folders_as_classes_without_names_are_taken_in_order_and_that_is_said()
    {
        ClassMapping mapping = Of("cat ant bee", 3);
        Assert.Equal([0, 1, 2], Enumerable.Range(0, 3).Select(label => mapping[label]));
        Assert.Equal("the sorted names of the 3 classes are taken for the order of the model's, for nothing says another", mapping.Note);
    }

    [Fact]
    public void Names_of_the_model_decide_whatever_their_order_case_and_synonyms()
    {
        ClassMapping mapping = Of("Tench goldfish white_shark", 4, "white shark, Carcharodon carcharias", "other", "goldfish", "tench, Tinca tinca");
        Assert.Null(mapping.Note);
        Assert.Equal([3, 2, 0], Enumerable.Range(0, 3).Select(label => mapping[label]));
    }

    [Fact]
    public void Names_that_are_not_the_models_are_named()
    {
        Assert.Equal(
            "1 of 3 classes are none of the model's by name (gnu; the model has cat, bee, ant); expected the model's names, its class numbers, or a list of labels with both",
            Of("ant bee gnu", 3, "cat", "bee", "ant").Fault);
    }

    [Fact]
    public void WordNet_identifiers_of_all_classes_are_in_the_order_of_the_model()
    {
        ClassMapping mapping = Of("n01440764 n01443537", 2, "tench, Tinca tinca", "goldfish");
        Assert.Equal([0, 1], new[] { mapping[0], mapping[1] });
        Assert.NotNull(mapping.Note);
        Assert.NotNull(Of("n01440764 n01443537 n01484850", 5, "a", "b", "c", "d", "e").Fault);
    }

    [Fact]
    public void A_name_that_two_classes_of_the_model_have_decides_nothing() =>
        Assert.NotNull(Of("crane", 3, "crane, bird", "crane", "ox").Fault);

    [Fact]
    public void A_list_is_in_the_models_order_unless_the_models_names_say_another()
    {
        _folder.Put("x/n1_1.jpg", "x"u8);
        _folder.Put("x/n2_1.jpg", "x"u8);
        ImageSet images = ImageSet.FromFolder(_folder.Root, LabelFile.Read(_folder.Put("list", "n1 ant\nn2 bee\nn3 cat\n"u8)));
        Assert.Equal((0, 1), Pair(ClassMapping.Of(images, 3, [])));
        Assert.Equal((2, 1), Pair(ClassMapping.Of(images, 3, ["cat", "bee", "ant"])));
        Assert.NotNull(ClassMapping.Of(images, 3, ["bee", "gnu", "cow"]).Fault);
        Assert.NotNull(ClassMapping.Of(images, 4, []).Fault);

        static (int, int) Pair(ClassMapping mapping) => (mapping[0], mapping[1]);
    }

    [Fact]
    public void Labels_without_names_are_the_models()
    {
        ImageSet images = new("bytes", [ImageEntry.FromBytes("a", default, 4), ImageEntry.FromBytes("b", default, 1)]);
        Assert.Equal(4, ClassMapping.Of(images, 5, [])[4]);
        Assert.Equal("expected labels below 4, the classes of the model; found 4", ClassMapping.Of(images, 4, []).Fault);
    }

    [Fact]
    public void Photos_with_their_class_numbers_in_a_file_or_in_order()
    {
        foreach (int number in new[] { 1, 2, 4 })
        {
            _folder.Put($"ILSVRC2012_val_{number:D8}.JPEG", "x"u8);
        }

        Assert.Equal([65, 970, 230], Numbers("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\nILSVRC2012_val_00000003.JPEG 1\nILSVRC2012_val_00000004.JPEG 230\n"));
        Assert.Equal([65, 970, 230], Numbers("65\n970\n1\n230\n5\n"));
        Assert.Equal([65, 970, 65], Numbers("ImageId,PredictionString\nILSVRC2012_val_00000001,65 1 2 3 4\nILSVRC2012_val_00000004,65 0 0 1 1\nILSVRC2012_val_00000002,970\n"));
        Assert.Throws<KeyNotFoundException>(() => Numbers("65\n970\n1\n230\n1000\n"));
        ImageException missing = Assert.Throws<ImageException>(() => Numbers("ILSVRC2012_val_00000001.JPEG 65\n"));
        Assert.StartsWith($"{_folder.Root}: ILSVRC2012_val_00000002.JPEG is not in ", missing.Message, StringComparison.Ordinal);
    }

    private int[] Numbers(string labels)
    {
        ImageSet images = ImageSet.FromFolder(_folder.Root, LabelFile.Read(_folder.Put("labels.txt", System.Text.Encoding.UTF8.GetBytes(labels))));
        ClassMapping mapping = ClassMapping.Of(images, 1000, []);
        return [.. images.Entries.Select(entry => mapping[entry.Label!.Value])];
    }

    private ClassMapping Of(string folders, int classes, params string[] names)
    {
        foreach (string old in Directory.GetDirectories(_folder.Root))
        {
            Directory.Delete(old, recursive: true);
        }

        foreach (string folder in folders.Split(' '))
        {
            _folder.Put($"{folder}/1.jpg", "x"u8);
        }

        return ClassMapping.Of(ImageSet.FromFolder(_folder.Root), classes, names);
    }
}
