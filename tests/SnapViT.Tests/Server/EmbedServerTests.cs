using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Runtime;
using SnapViT.Server;

namespace SnapViT.Tests.Server;

/// <summary>The server gives what the runtime gives, in every form of request, and says what it has.</summary>
public sealed class EmbedServerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_form_of_request_gives_the_features_of_the_runtime_at_every_size()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        ImageEntry[] images = [.. Enumerable.Range(1, 3).Select(ServedFamily.Image)];
        foreach (FamilyMember member in served.Family.Members)
        {
            float[][] expected = [.. member.Embed(images, Token).Select(row => row.ToArray())];
            using MultipartFormDataContent form = new() { { new StringContent(member.Name), "budget" } };
            for (int image = 1; image <= 3; image++)
            {
                form.Add(ServedFamily.Content(ServedFamily.Encoded(image)), "images", $"{image}.png");
            }

            AssertRows(expected, await served.EmbedAsync("/embed", form));
            string[] base64 = [.. Enumerable.Range(1, 3).Select(image => Convert.ToBase64String(ServedFamily.Encoded(image)))];
            base64[1] = $"data:image/png;base64,{base64[1]}";
            AssertRows(expected, await served.EmbedAsync("/embed", JsonContent.Create(new { images = base64, budget = member.Name })));
            AssertRows([expected[0]], await served.EmbedAsync($"/embed?budget={member.Name}", ServedFamily.Content(ServedFamily.Encoded(1))));
        }
    }

    [Fact]
    public async Task Requests_at_the_same_time_share_forward_passes_and_get_their_own_features()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(new ServerOptions { BatchWait = TimeSpan.FromMilliseconds(50) });
        float[][] expected = [.. Enumerable.Range(0, 24).Select(seed => served.Family.Members[0].Embed(ServedFamily.Encoded(seed)))];
        (HttpStatusCode Status, JsonElement Json, HttpResponseHeaders)[] answers = await Task.WhenAll(
            Enumerable.Range(0, 24).Select(seed => served.PostAsync("/embed", ServedFamily.Content(ServedFamily.Encoded(seed)))));
        for (int seed = 0; seed < 24; seed++)
        {
            Assert.Equal(HttpStatusCode.OK, answers[seed].Status);
            ServedFamily.AssertClose(expected[seed], ServedFamily.Vectors(answers[seed].Json)[0]);
        }

        Assert.Contains(answers, answer => answer.Json.GetProperty("timing").GetProperty("batch").GetInt32() > 1);
    }

    [Fact]
    public async Task Classes_come_with_probabilities_the_likeliest_first()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        float[] logits = served.Family.Members[0].Classify(ServedFamily.Encoded(1));
        (_, JsonElement json, _) = await served.PostAsync("/classify?top=2", ServedFamily.Content(ServedFamily.Encoded(1)));
        JsonElement[] found = [.. json.GetProperty("predictions")[0].EnumerateArray()];
        int[] best = [.. logits.Index().OrderByDescending(pair => pair.Item).Take(2).Select(pair => pair.Index)];
        Assert.Equal(best, found.Select(one => one.GetProperty("class").GetInt32()));
        double sum = logits.Sum(logit => Math.Exp(logit));
        Assert.Equal(Math.Exp(logits[best[0]]) / sum, found[0].GetProperty("probability").GetDouble(), 1e-4);
        (_, json, _) = await served.PostAsync("/classify?top=100", ServedFamily.Content(ServedFamily.Encoded(1)));
        Assert.Equal(1, json.GetProperty("predictions")[0].EnumerateArray().Sum(one => one.GetProperty("probability").GetDouble()), 1e-4);
    }

    [Fact]
    public async Task A_budget_takes_its_size_and_a_deadline_one_that_is_in_time()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(new ServerOptions { Budget = "0.7" });
        foreach ((string query, string size) in new[]
        {
            ("", "flops-0.7"), ("?budget=1", "flops-1"), ("?budget=0.99", "flops-0.7"), ("?budget=flops-0.4", "flops-0.4"),
            ("?deadline_ms=60000", "flops-1"), ("?deadline_ms=60000&budget=0.5", "flops-0.4"),
        })
        {
            (HttpStatusCode status, JsonElement json, _) =
                await served.PostAsync($"/embed{query}", ServedFamily.Content(ServedFamily.Encoded(1)));
            Assert.Equal((HttpStatusCode.OK, size), (status, json.GetProperty("budget").GetString()));
            Assert.Equal(query.Contains("deadline", StringComparison.Ordinal), json.TryGetProperty("deadline_met", out JsonElement met) && met.GetBoolean());
        }
    }

    [Fact]
    public async Task It_says_what_it_has_and_how_it_is()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(new ServerOptions { MaxImages = 3, QueueImages = 5 });
        JsonElement budgets = await served.GetAsync("/budgets");
        Assert.Equal(("tiny", 24, 5), (budgets.GetProperty("model").GetString(), budgets.GetProperty("features").GetInt32(), budgets.GetProperty("classes").GetInt32()));
        JsonElement[] sizes = [.. budgets.GetProperty("sizes").EnumerateArray()];
        Assert.Equal(["flops-1", "flops-0.7", "flops-0.4"], sizes.Select(size => size.GetProperty("name").GetString()!));
        Assert.Equal(1, sizes[0].GetProperty("flops_share").GetDouble());
        Assert.All(sizes, size => Assert.True(size.GetProperty("latency_ms").GetDouble() > 0));
        Assert.Equal(3, budgets.GetProperty("limits").GetProperty("images_per_request").GetInt32());
        Assert.Equal("ok", (await served.GetAsync("/health")).GetProperty("status").GetString());
        Assert.Equal("ready", (await served.GetAsync("/ready")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task The_description_names_every_endpoint_and_the_pages_load_nothing_from_elsewhere()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        JsonElement api = await served.GetAsync("/openapi.json");
        Assert.Equal(
            ["/budgets", "/classify", "/embed", "/health", "/ready"],
            api.GetProperty("paths").EnumerateObject().Select(path => path.Name).Order(StringComparer.Ordinal));
        JsonElement embed = api.GetProperty("paths").GetProperty("/embed").GetProperty("post");
        Assert.Equal(
            ["application/json", "multipart/form-data", "image/*"],
            embed.GetProperty("requestBody").GetProperty("content").EnumerateObject().Select(type => type.Name));
        foreach (string path in new[] { "/", "/docs" })
        {
            using HttpResponseMessage page = await served.Client.GetAsync(path, Token);
            string html = await page.Content.ReadAsStringAsync(Token);
            Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
            Assert.DoesNotContain("http://", html, StringComparison.Ordinal);
            Assert.DoesNotContain("https://", html, StringComparison.Ordinal);
            Assert.StartsWith("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Metrics_count_images_batches_and_refusals()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        await served.EmbedAsync("/embed?budget=0.4", ServedFamily.Content(ServedFamily.Encoded(1)));
        await served.PostAsync("/embed", ServedFamily.Content([1, 2]));
        string metrics = await served.Client.GetStringAsync("/metrics", Token);
        Assert.Contains("snapvit_images_total{otel_scope_name=\"SnapViT.Server\",size=\"flops-0.4\"}", metrics, StringComparison.Ordinal);
        Assert.Contains("endpoint=\"/embed\",status=\"400\"", metrics, StringComparison.Ordinal);
        Assert.Contains("snapvit_queue_images", metrics, StringComparison.Ordinal);
        Assert.Contains("dotnet_gc_last_collection_memory_committed_size", metrics, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, 401)]
    [InlineData("X-Api-Key", "wrong", 401)]
    [InlineData("X-Api-Key", "a long secret ", 200)]
    [InlineData("X-Api-Key", "a long secreT", 401)]
    [InlineData("X-Api-Key", "", 401)]
    [InlineData("Authorization", "Bearer a long secret", 200)]
    [InlineData("Authorization", "Basic a long secret", 401)]
    public async Task A_key_is_asked_for_where_there_is_one(string? header, string? key, int status)
    {
        await using ServedFamily served = await ServedFamily.StartAsync(new ServerOptions { ApiKey = "a long secret" });
        foreach (string path in new[] { "/embed", "/classify", "/budgets", "/metrics" })
        {
            using HttpRequestMessage request = new(path is "/embed" or "/classify" ? HttpMethod.Post : HttpMethod.Get, path);
            request.Content = request.Method == HttpMethod.Post ? ServedFamily.Content(ServedFamily.Encoded(1)) : null;
            if (header is not null)
            {
                request.Headers.TryAddWithoutValidation(header, key);
            }

            using HttpResponseMessage answer = await served.Client.SendAsync(request, Token);
            Assert.Equal(status, (int)answer.StatusCode);
        }

        foreach (string path in new[] { "/", "/docs", "/health", "/ready", "/openapi.json" })
        {
            using HttpResponseMessage answer = await served.Client.GetAsync(path, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_name_that_is_not_of_this_machine_is_refused_on_the_loopback_address()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Get, "/budgets") { Headers = { Host = "evil.example" } };
        using HttpResponseMessage answer = await served.Client.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task A_model_that_is_replaced_or_deleted_meanwhile_changes_nothing()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        float[][] before = [.. served.Family.Members.Select(member => member.Embed(ServedFamily.Encoded(3)))];
        foreach (Action<string> harm in new Action<string>[]
        {
            file => { using FileStream cut = File.OpenWrite(file); cut.SetLength(0); },
            file => File.WriteAllBytes(file, new byte[1 << 16]),
            File.Delete,
        })
        {
            Array.ForEach(Directory.GetFiles(served.Folder), harm);
            for (int size = 0; size < before.Length; size++)
            {
                float[][] found = await served.EmbedAsync(
                    $"/embed?budget={served.Family.Members[size].Name}", ServedFamily.Content(ServedFamily.Encoded(3)));
                ServedFamily.AssertClose(before[size], found[0]);
            }
        }
    }

    [Fact]
    public async Task All_requests_that_were_taken_are_answered_when_it_stops()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(
            new ServerOptions { MaxRequests = 64, QueueImages = 1024, BatchSize = 4 });
        string[] base64 = [.. Enumerable.Range(0, 16).Select(seed => Convert.ToBase64String(ServedFamily.Encoded(seed)))];
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new { images = base64 });
        List<System.Net.Sockets.NetworkStream> connections = [];
        for (int request = 0; request < 40; request++)
        {
            connections.Add(await served.ConnectAsync());
            await connections[^1].WriteAsync(ServedFamily.Head("/embed", body.Length, "application/json", "Expect: 100-continue\r\n"), Token);

            // The server wants the body: the request was taken.
            byte[] wants = new byte["HTTP/1.1 100 Continue\r\n\r\n".Length];
            await connections[^1].ReadExactlyAsync(wants, Token);
            Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(wants), StringComparison.Ordinal);
            await connections[^1].WriteAsync(body, Token);
        }

        Task stopped = served.Server.DisposeAsync().AsTask();
        string[] answers = await Task.WhenAll(connections.Select(ServedFamily.AnswerAsync));
        await stopped;
        Assert.All(answers, answer => Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal));
        connections.ForEach(connection => connection.Dispose());
    }

    [Theory]
    [InlineData("8090", "127.0.0.1:8090")]
    [InlineData("localhost:0", "127.0.0.1:0")]
    [InlineData("0.0.0.0:80", "0.0.0.0:80")]
    [InlineData("[::1]:81", "[::1]:81")]
    [InlineData("*:81", "[::]:81")]
    public void An_address_is_read(string text, string expected) => Assert.Equal(expected, $"{ServerOptions.ParseListen(text)}");

    [Theory]
    [InlineData("")]
    [InlineData("localhost:")]
    [InlineData("example.org:80")]
    [InlineData("::1:80")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    public void Another_text_is_told(string text)
    {
        SnapViTException wrong = Assert.Throws<SnapViTException>(() => ServerOptions.ParseListen(text));
        Assert.Equal($"listen: expected a port or ADDRESS:PORT such as 127.0.0.1:8090, found '{text}'", wrong.Message);
    }

    [Fact]
    public void Limits_that_contradict_each_other_are_told()
    {
        Assert.Throws<SnapViTException>(() => new ServerOptions { MaxImages = 32, QueueImages = 31 }.Validated());
        Assert.Throws<SnapViTException>(() => new ServerOptions { BatchSize = 0 }.Validated());
        Assert.Throws<SnapViTException>(() => new ServerOptions { ApiKey = "short" }.Validated());
        Assert.Throws<SnapViTException>(() => new ServerOptions { MaxPixels = int.MaxValue }.Validated());
    }

    [Fact]
    public async Task An_address_that_is_taken_is_told()
    {
        await using ServedFamily served = await ServedFamily.StartAsync();
        ServerOptions same = new() { Listen = new IPEndPoint(IPAddress.Loopback, new Uri(served.Server.Url).Port) };
        IOException taken = await Assert.ThrowsAsync<IOException>(() => EmbedServer.StartAsync(served.Family, same, served.Log, Token));
        Assert.Contains("address already in use", taken.Message, StringComparison.Ordinal);
    }

    private static void AssertRows(float[][] expected, float[][] found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int row = 0; row < expected.Length; row++)
        {
            ServedFamily.AssertClose(expected[row], found[row]);
        }
    }
}
