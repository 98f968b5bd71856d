using System.Text.Json;
using SkiaSharp;
using SnapViT.Tests.Data;

namespace SnapViT.Cli.Tests;

/// <summary><c>snapvit data</c> and <c>snapvit merge</c>: what a path holds, and one list of several sets.</summary>
public sealed class DataCommandTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public DataCommandTests()
    {
        for (int i = 0; i < 12; i++)
        {
            _folder.Put($"set/train/{(i % 3 == 0 ? "cat" : "dog")}/{i:D2}.png", TemporaryImages.Random(20, 10, (ulong)i));
        }

        _folder.Put("set/test/cat/0.png", TemporaryImages.Random(9, 9));
        _folder.Put("set/test/dog/notes.txt", "x"u8);
        _folder.Put("flat/a.png", TemporaryImages.Random(8, 8));
        _folder.Put("flat/b.png", "no image"u8);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Splits_classes_and_what_is_left_out_are_told()
    {
        CommandRun run = await CommandRun.Of(string.Join(' ', "data", In("set"), "--json"));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement splits = json.RootElement.GetProperty("splits");
        Assert.Equal("folders of splits", json.RootElement.GetProperty("format").GetString());
        Assert.Equal("test 1 1 of no_image, train 12 0", string.Join(", ", splits.EnumerateArray().Select(split =>
            $"{split.GetProperty("name")} {split.GetProperty("images")} {Left(split)}")));
        Assert.Equal([4, 8], splits[1].GetProperty("classes").EnumerateArray().Select(row => row.GetProperty("images").GetInt32()));
        CommandRun text = await CommandRun.Of(string.Join(' ', "data", In("set#train")));
        Assert.Contains("classes: cat, dog", text.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("test", text.Output.Split('\n')[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Images_that_cannot_be_read_are_listed_where_that_is_asked_for()
    {
        CommandRun run = await CommandRun.Of(string.Join(' ', "data", In("flat"), "--check"));
        Assert.Equal(0, run.Code);
        Assert.Contains("1 of 2 images cannot be read", run.Output, StringComparison.Ordinal);
        Assert.Contains("b.png: ", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("set", 2)]
    [InlineData("flat", 1)]
    public async Task A_contact_sheet_has_a_row_for_every_class(string set, int rows)
    {
        CommandRun run = await CommandRun.Of(string.Join(' ', "data", In(set), "--sheet", In("sheet.png")));
        Assert.Equal(0, run.Code);
        using SKBitmap sheet = SKBitmap.Decode(In("sheet.png"));
        Assert.Equal(30 + (rows * 100) + 12, sheet.Height);
        Assert.True(sheet.Pixels.Distinct().Count() > 40);
    }

    [Fact]
    public async Task A_merged_list_holds_so_many_of_each_set_and_is_read_again()
    {
        CommandRun run = await CommandRun.Of(string.Join(' ', "merge", In("set"), In("flat"), "--each", "5", "--out", In("merged.csv"), "--json"));
        Assert.True(run.Code == 0, run.Error);
        string[] lines = File.ReadAllLines(In("merged.csv"));
        Assert.Equal("# 5 images of each source, seed 42", lines[0]);
        Assert.Equal(7, lines.Count(line => line.Contains(".png", StringComparison.Ordinal)));
        Assert.StartsWith("\"set#train\",", lines[2], StringComparison.Ordinal);
        CommandRun read = await CommandRun.Of(string.Join(' ', "data", In("merged.csv"), "--json"));
        using JsonDocument json = JsonDocument.Parse(read.Output);
        Assert.Equal(7, json.RootElement.GetProperty("splits")[0].GetProperty("images").GetInt32());
    }

    [Theory]
    [InlineData("merge {0}/set --out {0}/merged.txt2", "expected a name that ends with .csv")]
    [InlineData("merge {0}/set --each 0 --out {0}/merged.csv", "--each: expected at least 1, found 0")]
    [InlineData("merge {0}/set {0}/set#train --out {0}/merged.csv", "expected every set once, found it twice")]
    [InlineData("merge {0}/set {0}/none --out {0}/merged.csv", "{0}/none: there is no such folder")]
    [InlineData("data {0}/set#tests", "expected one of its splits test, train, found 'tests'")]
    [InlineData("data {0}/set --sheet {0}/flat/a.png", "there is such a file already")]
    public async Task What_is_wrong_is_told(string line, string fault)
    {
        CommandRun run = await CommandRun.Of(line.Replace("{0}", _folder.Root, StringComparison.Ordinal));
        Assert.Equal(1, run.Code);
        Assert.Contains(fault.Replace("{0}", _folder.Root, StringComparison.Ordinal), run.Error, StringComparison.Ordinal);
    }

    private string In(string name) => Path.Combine(_folder.Root, name);

    private static string Left(JsonElement split) => split.GetProperty("left_out") is var rows && rows.GetArrayLength() == 0
        ? "0"
        : $"{rows[0].GetProperty("count")} of {rows[0].GetProperty("kind").GetString()}";
}
