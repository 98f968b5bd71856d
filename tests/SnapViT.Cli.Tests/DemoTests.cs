using System.Globalization;
using System.Text.RegularExpressions;
using SnapViT.Tests.Data;

namespace SnapViT.Cli.Tests;

public sealed partial class DemoTests
{
    [Fact]
    public async Task The_demo_measures_every_budget_and_writes_its_page()
    {
        using TemporaryImages folder = new();
        string page = Path.Combine(folder.Root, "demo.html");

        CommandRun run = await CommandRun.Of($"demo --evaluations 0 --out {page}");

        Assert.Equal(0, run.Code);
        string html = Pictures().Replace(await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken), "");
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        double[] accuracies = [.. Accuracy().Matches(html).Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.Equal(10, accuracies.Length);
        Assert.True(accuracies[0] > 99, $"the whole model: {accuracies[0]} %");
        Assert.True(accuracies[6] > 98, $"65 % of neurons and half of the heads removed: {accuracies[6]} %");
        Assert.True(accuracies[9] < accuracies[0] - 5, $"92 % of neurons and 90 % of heads removed: {accuracies[9]} %");
    }

    [GeneratedRegex("base64,[^\"]*")]
    private static partial Regex Pictures();

    /// <summary>Top-1 of a row of the table of budgets: the cell after those of parameters and FLOPs.</summary>
    [GeneratedRegex(@"<td>[^<]* / [^<]*</td><td>[^<]*</td><td>[^<]*</td><td>([0-9.]+) %</td>")]
    private static partial Regex Accuracy();
}
