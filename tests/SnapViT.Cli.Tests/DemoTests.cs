using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using SnapViT.Tests.Data;

namespace SnapViT.Cli.Tests;

public sealed partial class DemoTests
{
    [Fact]
    public async Task The_demo_measures_every_budget_beside_a_random_order_and_leaves_a_page_and_its_files()
    {
        using TemporaryImages folder = new();
        string page = Path.Combine(folder.Root, "demo.html"), files = Path.Combine(folder.Root, "demo");

        JsonElement demo = await CommandRun.Json($"demo --out {page} --files {files}");

        double[] accuracies = Top1(demo.GetProperty("rows")), random = Top1(demo.GetProperty("random_order"));
        Assert.Equal(9, accuracies.Length);
        Assert.InRange(accuracies[0], 0.9, 0.97);
        Assert.Equal(accuracies[0], random[0]);
        Assert.True(accuracies[4] > random[4] + 0.3, $"40 % of the FLOPs: {accuracies[4]}, in random order {random[4]}");
        Assert.True(accuracies[^1] < accuracies[0] - 0.05, $"17 % of the FLOPs: {accuracies[^1]}");
        Assert.All(accuracies.Zip(accuracies.Skip(1)), pair => Assert.True(pair.Second < pair.First + 0.01, $"{pair.First}, then {pair.Second}"));
        string html = Pictures().Replace(await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken), "");
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.Contains("random order", html, StringComparison.Ordinal);

        string[] classes = [.. Directory.GetDirectories(Path.Combine(files, "test")).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];
        Assert.Equal(12, classes.Length);
        Assert.StartsWith("00-", classes[0], StringComparison.Ordinal);
        Assert.Equal(classes.Length, Directory.GetDirectories(Path.Combine(files, "train")).Length);
        HashSet<string> photos = [.. Contents("photos")];
        Assert.Equal(120, photos.Count);
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
