using System.Text.Json;
using Microsoft.Playwright;
using SnapViT.Cli.Tests.Browser;

namespace SnapViT.Cli.Tests;

/// <summary>The page that <c>snapvit report</c> makes of what other verbs wrote, read as a file and in a browser.</summary>
public sealed class ReportTests : IDisposable
{
    private readonly Workspace _work = new();

    private string Page => _work.In("report.html");

    private string Eval => _work.In("eval.json");

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_page_of_build_and_eval_shows_the_method_beside_its_baselines_and_fetches_nothing()
    {
        await Measure("--baselines --budgets 0.8,0.6");
        JsonElement report = await CommandRun.Json($"report {_work.Out} {Eval} --images {_work.Photos} --out {Page} --figures {_work.In("figures")}");

        Assert.Equal(
            ["SnapViT", "random order", "block-normalised", "no search"],
            report.GetProperty("models")[0].GetProperty("lines").EnumerateArray().Select(line => line.GetString()));
        string html = await Html();
        Assert.All(["src=\"http", "href=\"http", "url(", "@import", "NaN", "∞"], text => Assert.DoesNotContain(text, html, StringComparison.Ordinal));
        Assert.DoesNotContain("No baseline was measured", html, StringComparison.Ordinal);
        Assert.Contains("Images that change most", html, StringComparison.Ordinal);
        Assert.True(html.Split("data:image/jpeg").Length > 12, "photos are on the page");
        string[] figures = [.. Directory.EnumerateFiles(_work.In("figures")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
        Assert.Contains("model-top1-flops.svg", figures);
        Assert.Equal(figures.Count(name => name.EndsWith(".svg", StringComparison.Ordinal)), figures.Count(name => name.EndsWith(".png", StringComparison.Ordinal)));
        string[] table = await File.ReadAllLinesAsync(_work.In("report.csv"), TestContext.Current.CancellationToken);
        Assert.StartsWith("model,way,baseline,budget,flops,flops_kept", table[0], StringComparison.Ordinal);
        Assert.Equal(1 + 1 + (4 * 2), table.Length);
        Assert.All(table, line => Assert.Equal(table[0].Split(',').Length, line.Split(',').Length));
    }

    [Fact]
    public async Task The_same_runs_give_the_same_page()
    {
        await Measure("--budgets 0.6");
        await CommandRun.Json($"report {_work.Out} {Eval} --out {Page}");
        string first = await Html();
        await CommandRun.Json($"report {_work.Out} {Eval} --out {Page} --force");
        Assert.Equal(first, await Html());
        Assert.Contains("No baseline was measured", first, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_finds_no_error_asks_nothing_and_shows_figures_on_a_desktop_and_a_phone_light_dark_and_printed()
    {
        await Measure("--baselines --budgets 0.8,0.6");
        await CommandRun.Json($"report {_work.Out} {Eval} --images {_work.Photos} --out {Page}");
        string address = new Uri(Page).AbsoluteUri;
        await using Chromium browser = await Chromium.StartAsync();
        foreach ((int width, bool dark) in new[] { (1200, false), (390, false), (390, true) })
        {
            WatchedPage watched = await browser.OpenAsync(address, width, dark);
            await watched.AssertSoundAsync(address);
            ILocator mark = watched.Page.Locator("figure").First.Locator(".mark.f0[data-tip]").Last, tip = watched.Page.Locator("#tip");
            await mark.HoverAsync();
            Assert.Contains("top-1", await tip.InnerTextAsync(), StringComparison.Ordinal);
            await watched.Page.Keyboard.PressAsync("Escape");
            Assert.False(await tip.IsVisibleAsync());
            await watched.Page.Locator(".cell").Last.ClickAsync();
            Assert.Contains("keeps ", await tip.InnerTextAsync(), StringComparison.Ordinal);

            // Letters of charts are at least as high as those of the smallest text beside them.
            double letters = await watched.Page.EvaluateAsync<double>(
                "Math.min(...[...document.querySelectorAll('svg text')].map(text => text.getBoundingClientRect().height))");
            Assert.True(letters >= 11, $"at {width}: letters of {letters} pixels");
            await watched.Page.EmulateMediaAsync(new PageEmulateMediaOptions { Media = Media.Print });
            Assert.False(await watched.Page.Locator(".save").First.IsVisibleAsync());
            Assert.Equal("rgb(255, 255, 255)", await watched.Page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
            await watched.AssertSoundAsync(address);
        }
    }

    // The test images are the photos that were scored on, under other names; then others; then an old eval without the figure, and scores without
    // the photos' digests.
    [Fact]
    public async Task Test_images_that_were_scored_are_warned_of_by_eval_and_beside_the_figure()
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} --samples 9 --batch 4 {Workspace.Fixed}");
        foreach (string photo in Directory.EnumerateFiles(_work.Photos, "*", SearchOption.AllDirectories))
        {
            string copy = photo.Replace(_work.Photos, _work.In("renamed"), StringComparison.Ordinal);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(photo, Path.Combine(Path.GetDirectoryName(copy)!, "copy-" + Path.GetFileName(copy)));
        }

        const string warning = "9 of 12 test images are among the photos that the model was scored on";
        string line = $"eval {_work.ModelPath} --scores {_work.Out} --test {_work.In("renamed")} --budgets 0.8 --out {Eval} --force {Workspace.Fixed}";
        CommandRun eval = await CommandRun.Of(line);
        Assert.Single(eval.Error.Split('\n'), said => said.StartsWith($"in doubt: {warning}", StringComparison.Ordinal));
        CommandRun report = await CommandRun.Of($"report {Eval} --out {Page}");
        Assert.StartsWith($"in doubt: model: {warning}", report.Error, StringComparison.Ordinal);
        Assert.Contains($"<p class=\"warning\" role=\"note\">{warning}", await Html(), StringComparison.Ordinal);

        string old = (await File.ReadAllTextAsync(Eval, TestContext.Current.CancellationToken)).Replace("scored_test_images", "unknown_name", StringComparison.Ordinal);
        _work.Put("eval.json", old);
        Assert.Contains(warning, (await CommandRun.Of($"report {_work.Out} {Eval} --out {Page} --force")).Error, StringComparison.Ordinal);
        Assert.Contains(warning, (await CommandRun.Of($"report {Eval} --images {_work.Photos} --out {Page} --force")).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("in doubt", (await CommandRun.Of($"report {Eval} --out {Page} --force")).Error, StringComparison.Ordinal);

        foreach (string photo in Directory.EnumerateFiles(_work.In("renamed"), "*", SearchOption.AllDirectories))
        {
            await File.AppendAllTextAsync(photo, "another length", TestContext.Current.CancellationToken);
        }

        Assert.DoesNotContain("among the photos", (await CommandRun.Of(line)).Error, StringComparison.Ordinal);
        await CommandRun.Of($"report {_work.Out} {Eval} --out {Page} --force");
        Assert.DoesNotContain("class=\"warning\"", await Html(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_and_scores_alone_make_a_page_that_says_what_is_missing()
    {
        _work.WithScores();
        CommandRun plan = await CommandRun.Of($"plan {_work.ModelPath} {_work.Scores} --budgets 0.8,0.6 --json {Workspace.Fixed}");
        _work.Put("plan.json", plan.Output);
        await CommandRun.Json($"report {_work.In("plan.json")} {_work.Scores} --out {Page}");
        string html = await Html();
        Assert.Contains("No accuracy was measured", html, StringComparison.Ordinal);
        Assert.Contains("data-tip=\"80 %, block 0", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "expected one JSON object as a verb prints it")]
    [InlineData("[]", "expected one JSON object")]
    [InlineData("{\"schema\":1}", "expected the JSON of build, plan, eval, demo or sweep, found another object")]
    [InlineData("{\"error\":{\"message\":\"no photos\"}}", "found the error of a run that failed: no photos")]
    [InlineData("{\"rows\":[{\"top1\":\"x\",\"blocks\":[1]}]}", "expected the names of docs/json.md")]
    [InlineData("photo", "expected")]
    public async Task What_is_no_run_is_named_in_one_line(string content, string message)
    {
        string run = _work.Put("run.json", content);
        CommandRun report = await CommandRun.Of($"report {run} --out {Page}");
        Assert.Equal(1, report.Code);
        Assert.StartsWith($"snapvit: {run}: ", report.Error, StringComparison.Ordinal);
        Assert.Contains(message, report.Error, StringComparison.Ordinal);
        Assert.Single(report.Error.TrimEnd().Split('\n'));
        Assert.False(File.Exists(Page));
    }

    [Fact]
    public async Task Eval_with_a_file_says_that_the_report_comes_next()
    {
        _work.WithScores();
        CommandRun run = await CommandRun.Of(
            $"eval {_work.ModelPath} --scores {_work.Scores} --budgets 0.9 --test {_work.Photos} --out {Eval} {Workspace.Fixed}");
        Assert.EndsWith($"next: snapvit report {_work.Scores} {Eval} --out report.html\n", run.Output, StringComparison.Ordinal);
        Assert.Equal("file", (await CommandRun.Of($"report {Eval} {_work.In("none.json")} --out {Page} --json")).Output is string error
            ? JsonDocument.Parse(error).RootElement.GetProperty("error").GetProperty("kind").GetString() : null);
    }

    private async Task Measure(string options)
    {
        await CommandRun.Json($"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} --batch 4 {Workspace.Fixed}");
        await CommandRun.Json($"eval {_work.ModelPath} --scores {_work.Out} --test {_work.Photos} --batch 2 --out {Eval} {options} {Workspace.Fixed}");
    }

    private Task<string> Html() => File.ReadAllTextAsync(Page, TestContext.Current.CancellationToken);
}
