using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using SnapViT.Tests.Data;

namespace SnapViT.Cli.Tests;

public sealed partial class DemoTests
{
    [Fact]
    public async Task The_demo_measures_every_budget_by_all_axes_and_by_less_and_leaves_a_page_and_its_files()
    {
        using TemporaryImages folder = new();
        string page = Path.Combine(folder.Root, "demo.html"), files = Path.Combine(folder.Root, "demo");

        JsonElement demo = await CommandRun.Json($"demo --out {page} --files {files}");

        JsonElement[] lines = [.. demo.GetProperty("lines").EnumerateArray()];
        Assert.Equal(["all axes", "no merging", "heads and neurons", "random order"], lines.Select(line => line.GetProperty("name").GetString()));
        double[][] top1 = [.. lines.Select(line => Top1(line.GetProperty("rows")))];
        Assert.All(top1, accuracies => Assert.Equal(9, accuracies.Length));
        Assert.InRange(top1[0][0], 0.8, 0.9);
        Assert.All(top1, accuracies => Assert.Equal(top1[0][0], accuracies[0]));

        // Each line adds something to the one behind it, from where cuts begin to cost.
        Assert.All(Enumerable.Range(7, 2), budget => Assert.All(top1.Zip(top1.Skip(1)), pair => Assert.True(
            pair.First[budget] > pair.Second[budget], $"budget {budget}: {pair.First[budget]} and {pair.Second[budget]}")));
        Assert.True(top1[0][6] > top1[2][6] + 0.05, $"40 % of the FLOPs: {top1[0][6]}, heads and neurons {top1[2][6]}");
        Assert.True(top1[2][6] > top1[3][6] + 0.1, $"40 % of the FLOPs: {top1[2][6]}, in random order {top1[3][6]}");
        Assert.True(top1[0][^1] < top1[0][0] - 0.05, $"20 % of the FLOPs: {top1[0][^1]}");
        string html = Pictures().Replace(await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken), "");
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.Contains("random order", html, StringComparison.Ordinal);

        string[] classes = [.. Directory.GetDirectories(Path.Combine(files, "test")).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];
        Assert.Equal(32, classes.Length);
        Assert.StartsWith("00-", classes[0], StringComparison.Ordinal);
        Assert.Equal(classes.Length, Directory.GetDirectories(Path.Combine(files, "train")).Length);
        HashSet<string> photos = [.. Contents("photos")];
        Assert.Equal(192, photos.Count);
        Assert.DoesNotContain(Contents("test"), photos.Contains);

        IEnumerable<string> Contents(string part) => Directory.EnumerateFiles(Path.Combine(files, part), "*.png", SearchOption.AllDirectories)
            .Select(file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file))));
    }

    [Fact]
    public async Task Files_go_into_a_folder_that_is_new_or_empty()
    {
        using TemporaryImages folder = new();
        await File.WriteAllTextAsync(Path.Combine(folder.Root, "mine.txt"), "mine", TestContext.Current.CancellationToken);

        CommandRun run = await CommandRun.Of($"demo --files {folder.Root}");

        Assert.Equal(1, run.Code);
        Assert.Contains($"{folder.Root}: expected a folder that does not exist yet or is empty", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("calibration", run.Error, StringComparison.Ordinal);
    }

    private static double[] Top1(JsonElement rows) => [.. rows.EnumerateArray().Select(row => row.GetProperty("top1").GetDouble())];

    [GeneratedRegex("base64,[^\"]*")]
    private static partial Regex Pictures();
}
