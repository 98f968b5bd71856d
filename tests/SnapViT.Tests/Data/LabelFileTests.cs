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
