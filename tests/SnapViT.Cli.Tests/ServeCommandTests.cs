using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.Playwright;
using SnapViT.Cli.Demo;
using SnapViT.Cli.Tests.Browser;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;

namespace SnapViT.Cli.Tests;

/// <summary>The command serves an exported family until it is told to stop, writes nothing, and its page works in a browser.</summary>
public sealed class ServeCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-serve-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task It_serves_writes_no_file_and_ends_with_0_when_it_is_told_to_stop()
    {
        string family = SaveFamily();

        // A disk that takes nothing, and a folder for temporary files that is not there.
        Dictionary<string, string> variables = new() { ["TMPDIR"] = "/nowhere", ["ASPNETCORE_TEMP"] = "/nowhere", ["ASPNETCORE_URLS"] = "http://*:1" };
        using SnapVitProcess process = SnapVitProcess.Start($"serve {family} --listen 127.0.0.1:0 --threads 1", variables: variables);
        using HttpClient client = await ClientAsync(process);
        byte[] large = await File.ReadAllBytesAsync(WritePhotos()[0], Token);
        Array.Resize(ref large, 4 << 20);
        using MultipartFormDataContent form = new() { { new ByteArrayContent(large), "images", "large.png" } };
        using HttpResponseMessage answer = await client.PostAsync("/embed?budget=0.6", form, Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Token));
        if (OperatingSystem.IsLinux())
        {
            // What whoever runs the tests has open is handed down to every process.
            Assert.Empty(WrittenFiles($"{process.Id}").Except(WrittenFiles("self")));
        }

        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 8).Select(async _ =>
        {
            using MultipartFormDataContent one = new() { { new ByteArrayContent(large), "images", "large.png" } };
            return await client.PostAsync("/embed", one, Token);
        })];
        await Task.WhenAny(running);
        process.Send(SnapVitProcess.Terminate);
        foreach (Task<HttpResponseMessage> request in running)
        {
            // Those that were not taken yet find no server; all others are answered.
            try
            {
                using HttpResponseMessage found = await request;
                Assert.True(found.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable, $"{found.StatusCode}");
            }
            catch (HttpRequestException refused)
            {
                Assert.True(refused.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.ResponseEnded, refused.ToString());
            }
        }

        (int code, string error) = await process.End();
        Assert.Equal((0, ""), (code, error));
    }

    [Fact]
    public async Task Its_start_as_JSON_names_address_and_sizes_and_its_key_comes_from_a_file()
    {
        string family = SaveFamily(), key = Path.Combine(_folder, "key.txt");
        await File.WriteAllTextAsync(key, "a long secret\n", Token);
        using SnapVitProcess process = SnapVitProcess.Start($"serve {family} --listen 0 --json --api-key-file {key}");
        string url = (await process.LineAsync("  \"url\": "))!.Trim('"', ',');
        Assert.StartsWith("http://127.0.0.1:", url, StringComparison.Ordinal);
        using HttpClient client = new() { BaseAddress = new Uri(url) };
        using HttpResponseMessage without = await client.GetAsync("/budgets", Token);
        Assert.Equal(HttpStatusCode.Unauthorized, without.StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "a long secret");
        JsonElement budgets = JsonDocument.Parse(await client.GetStringAsync("/budgets", Token)).RootElement;
        Assert.Equal(2, budgets.GetProperty("sizes").GetArrayLength());
        Assert.Equal((0, ""), await process.End(SnapVitProcess.Interrupt));
    }

    [Theory]
    [InlineData("serve nowhere", "cannot read nowhere: there is no such file")]
    [InlineData("serve .", ".: expected the folder of an ONNX family with its list family.json, found none")]
    [InlineData("serve . --listen nobody:80", "listen: expected a port or ADDRESS:PORT such as 127.0.0.1:8090, found 'nobody:80'")]
    [InlineData("serve . --max-images 100 --queue 64", "queue: expected at least the 100 images of one request, found 64")]
    [InlineData("serve . --max-megabytes 0", "--max-megabytes: expected 0.001 to 1024, found 0")]
    [InlineData("serve . --api-key-file nowhere", "cannot read nowhere: there is no such file")]
    public async Task What_it_cannot_use_is_told_in_one_line(string line, string fault)
    {
        CommandRun run = await CommandRun.Of(line);
        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains(fault, Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_page_shows_classes_look_alikes_and_every_size_of_a_photo()
    {
        await using Chromium chromium = await Chromium.StartAsync();
        string[] photos = WritePhotos();
        using SnapVitProcess process = SnapVitProcess.Start($"serve {SaveFamily()} --listen 0 --threads 1");
        using HttpClient client = await ClientAsync(process);
        string url = $"{client.BaseAddress}";
        foreach ((int width, bool dark) in new[] { (1200, false), (390, true) })
        {
            WatchedPage watched = await chromium.OpenAsync(url, width, dark);
            IPage page = watched.Page;
            await Assertions.Expect(page.Locator("#facts")).ToContainTextAsync("2 sizes, 64 features, 32 classes");
            await page.Locator("#file").SetInputFilesAsync(photos[..3]);
            await Assertions.Expect(page.Locator("#photos figure")).ToHaveCountAsync(3);
            await Assertions.Expect(page.Locator("#sizes tbody tr")).ToHaveCountAsync(2);
            await Assertions.Expect(page.Locator("#sizes tbody tr").First).ToContainTextAsync("1.0000");
            await Assertions.Expect(page.Locator("#classes tbody tr")).ToHaveCountAsync(5);
            await Assertions.Expect(page.Locator("#alike tbody tr")).ToHaveCountAsync(2);
            await page.Locator("#photos button").First.ClickAsync();
            await Assertions.Expect(page.Locator("#said")).ToContainTextAsync(Path.GetFileName(photos[0]));
            await page.Locator("#budget").SelectOptionAsync("flops-0.6");
            await Assertions.Expect(page.Locator("#said")).ToContainTextAsync("flops-0.6, forward pass ");
            await watched.AssertSoundAsync(url);
            if (Environment.GetEnvironmentVariable("SNAPVIT_SCREENSHOTS") is string screenshots)
            {
                await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(screenshots, $"serve-{width}.png"), FullPage = true });
            }
        }

        WatchedPage docs = await chromium.OpenAsync($"{url}docs", 390);
        await Assertions.Expect(docs.Page.Locator("article")).ToHaveCountAsync(5);
        await docs.AssertSoundAsync(url);
    }

    [Fact]
    public async Task Its_page_tells_what_is_no_photo_and_asks_for_the_key()
    {
        await using Chromium chromium = await Chromium.StartAsync();
        using SnapVitProcess process = SnapVitProcess.Start(
            $"serve {SaveFamily()} --listen 0 --threads 1", variables: new Dictionary<string, string> { ["SNAPVIT_API_KEY"] = "a long secret" });
        using HttpClient client = await ClientAsync(process);
        IPage page = (await chromium.OpenAsync($"{client.BaseAddress}")).Page;
        await Assertions.Expect(page.Locator("#said")).ToContainTextAsync("API key missing or wrong (401)");
        await page.Locator("#key").FillAsync("a long secret");
        await page.Locator("#key").PressAsync("Tab");
        await Assertions.Expect(page.Locator("#facts")).ToContainTextAsync("2 sizes");
        await page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "x.png", MimeType = "image/png", Buffer = [1, 2, 3] });
        await Assertions.Expect(page.Locator("#said")).ToContainTextAsync("Wrong request (400): image: expected a JPEG, PNG, WebP, BMP or TIFF image");
    }

    private static IEnumerable<string?> WrittenFiles(string process) =>
        Directory.GetFiles($"/proc/{process}/fd").Where(IsWrittenFile).Select(descriptor => new FileInfo(descriptor).LinkTarget);

    private static bool IsWrittenFile(string descriptor)
    {
        string? target = new FileInfo(descriptor).LinkTarget;
        string info = File.Exists(descriptor.Replace("/fd/", "/fdinfo/", StringComparison.Ordinal))
            ? File.ReadAllText(descriptor.Replace("/fd/", "/fdinfo/", StringComparison.Ordinal)) : "";
        string flags = info.Split('\n').FirstOrDefault(line => line.StartsWith("flags:", StringComparison.Ordinal))?[6..].Trim() ?? "0";
        bool writes = (Convert.ToInt32(flags, 8) & 3) != 0;
        return writes && target is not null && target.StartsWith('/') && !target.StartsWith("/dev/", StringComparison.Ordinal)
            && !target.StartsWith("/memfd:", StringComparison.Ordinal);
    }

    private static async Task<HttpClient> ClientAsync(SnapVitProcess process)
    {
        string? line = await process.LineAsync("listening on ");
        return new HttpClient { BaseAddress = new Uri((line ?? (await process.End()).Error).Split(';')[0]) };
    }

    private string[] WritePhotos()
    {
        string folder = Path.Combine(_folder, "photos");
        if (!Directory.Exists(folder))
        {
            DemoImages.WriteUnlabelled(folder, seed: 1, perClass: 1);
        }

        return [.. Directory.GetFiles(folder, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
    }

    /// <summary>The demo's model as a family of two sizes.</summary>
    private string SaveFamily()
    {
        string path = Path.Combine(_folder, "model.safetensors"), family = Path.Combine(_folder, "demo");
        DemoModel.Extract(path).Dispose();
        using LoadedModel model = ModelFile.Load(path);
        ImportanceScores scores = Criterion.Lamp.Of(model.Model.Weights, 1);
        using ElasticViT elastic = ElasticViT.Open(
            model, new ElasticScores(scores, ScoreCoefficients.Equal(scores.Counts), new KeepFloors(), new Dictionary<string, string>()));
        using Subnet small = elastic.At(Budget.Flops(0.6)), whole = elastic.At(Budget.Whole);
        elastic.SaveOnnxFamily(family, [("flops-0.6", small), ("flops-1.0", whole)]);
        return family;
    }
}
