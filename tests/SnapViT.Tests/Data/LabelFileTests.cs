using SnapViT.Core.Errors;
using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class LabelFileTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_line_number_is_the_class()
    {
        LabelFile labels = Read("n01 tench, Tinca tinca\nn02 goldfish\nn03\n");
        Assert.Equal(["tench, Tinca tinca", "goldfish", "n03"], labels.Names);
        Assert.Equal([0, 1, 2, null], new[] { "n01", "n02", "n03", "n04" }.Select(labels.Find));
    }

    [Theory]
    [InlineData("n01 tench\r\nn02 goldfish\r\n\r\n\n")]
    [InlineData("\ufeffn01\ttench\nn02,goldfish")]
    public void Line_ends_blank_lines_at_the_end_and_a_byte_order_mark_change_nothing(string content)
    {
        LabelFile labels = Read(content);
        Assert.Equal(["tench", "goldfish"], labels.Names);
        Assert.Equal([0, 1], new[] { "n01", "n02" }.Select(labels.Find));
    }

    [Fact]
    public void Names_alone_may_start_with_one_word_and_folders_are_found_by_any_name()
    {
        LabelFile labels = Read("great white shark\ngreat grey owl\ncrane\ncrane\n");
        Assert.Equal([0, 1, null, 3], new[] { "great_white_shark", "Great Grey Owl", "great", "3" }.Select(labels.OfFolder));
        labels = Read("n01 tench, Tinca tinca\nn02 goldfish\n");
        Assert.Equal([0, 0, 0, 1, 1, null], new[] { "n01", "Tinca_tinca", "0", "GOLDFISH", "001", "2" }.Select(labels.OfFolder));
    }

    [Fact]
    public void Identifiers_are_found_before_underscores_and_after_the_last_one()
    {
        LabelFile labels = Read("polar_bear x\npolar y\nn02 z\n");
        Assert.Equal([0, 1, 2, null], new[] { "polar_bear_1.jpg", "polar_1.jpg", "ILSVRC2012_val_00000001_n02.JPEG", "bear_1.jpg" }.Select(labels.OfPhoto));
    }

    [Theory]
    [InlineData("n01 tench\n\nn02 goldfish\n", "line 2: expected 'identifier names' with an identifier of its own, found ''")]
    [InlineData("n01 tench\nn01 goldfish\n", "line 2: expected 'identifier names' with an identifier of its own, found 'n01 goldfish'")]
    [InlineData("", "expected one class per line, found an empty file")]
    public void Malformed_lists_are_refused_by_line(string content, string fault)
    {
        SnapViTException exception = Assert.Throws<SnapViTException>(() => Read(content));
        Assert.Equal($"{Path.Combine(_folder.Root, "labels.txt")}: {fault}", exception.Message);
    }

    private LabelFile Read(string content) => LabelFile.Read(_folder.Put("labels.txt", System.Text.Encoding.UTF8.GetBytes(content)));
}
