using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using SkiaSharp;
using SnapViT.Server;
using SnapViT.Tests.Data;

namespace SnapViT.Tests.Server;

/// <summary>What is malformed, huge, slow or broken off gets its one line, and harms no request beside it.</summary>
public sealed class HostileRequestTests
{
    private const string Form = "multipart/form-data; boundary=xx";

    private static readonly ServerOptions Small = new()
    {
        MaxBytes = 100_000, MaxImages = 4, QueueImages = 64, MaxPixels = 1_000_000,
        BodyTimeout = TimeSpan.FromMilliseconds(400), StopGrace = TimeSpan.FromMilliseconds(200),
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string, int, string> Malformed => new()
    {
        { "", "application/json", "", 400, "body: expected JSON, found: " },
        { "", "application/json", "{\"images\": [", 400, "body: expected JSON, found: " },
        { "", "application/json", "[1]", 400, "body: expected a JSON object, found Array" },
        { "", "application/json", "{\"images\": \"abc\"}", 400, "images: expected a list of base64 texts, found String" },
        { "", "application/json", "{\"images\": [3]}", 400, "images[0]: expected a base64 text, found Number" },
        { "", "application/json", "{\"images\": [\"?!\"]}", 400, "images[0]: expected base64, found another text of 2 characters" },
        { "", "application/json", "{\"images\": [\"AAAA\"]}", 400, "images[0]: expected a JPEG, PNG, WebP, BMP or TIFF image" },
        { "", "application/json", "{\"images\": []}", 400, "images: expected at least one, found none" },
        { "", "application/json", "{\"picture\": \"AAAA\"}", 400, "expected budget, deadline_ms, top or images, found 'picture'" },
        { "", "application/json", "{\"budget\": {}, \"images\": []}", 400, "budget: expected a text or a number, found Object" },
        { "", "application/json", "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}", 400, "body: expected JSON, found: " },
        { "", "application/json", "{\"deadline_ms\": NaN}", 400, "body: expected JSON, found: " },
        { "", "application/json", "{\"deadline_ms\": \"NaN\"}", 400, "deadline_ms: expected a number above 0 and up to 600000, found 'NaN'" },
        { "", "application/json", "{\"deadline_ms\": 1e999}", 400, "deadline_ms: expected a number above 0" },
        { "", "application/json", "{\"deadline_ms\": -5}", 400, "deadline_ms: expected a number above 0" },
        { "", "application/json", "{\"images\": [\"A\",\"A\",\"A\",\"A\",\"A\"]}", 400, "images[0]: expected base64" },
        { "", "application/json", "{\"images\": [\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\"]}", 413, "images: expected at most 4 images in a request" },
        { "?deadline_ms=NaN", "image/png", "x", 400, "deadline_ms: expected a number above 0" },
        { "?deadline_ms=Infinity", "image/png", "x", 400, "deadline_ms: expected a number above 0" },
        { "?deadline_ms=0", "image/png", "x", 400, "deadline_ms: expected a number above 0" },
        { "?deadline_ms=", "image/png", "x", 400, "deadline_ms: expected a number above 0" },
        { "?deadline_ms=0.000001", "image/png", "x", 422, "deadline_ms: expected at least the " },
        { "?top=-1", "image/png", "x", 400, "top: expected a number above 0" },
        { "?budget=0.6&budget=0.7", "image/png", "x", 400, "budget: expected once, found twice" },
        { "?budget=", "image/png", "x", 400, "budget ''" },
        { "?budget=nothing", "image/png", "x", 400, "budget 'nothing': expected a share kept such as 0.6" },
        { "?budget=0.01", "image/png", "x", 400, "budget: the smallest size of tiny takes " },
        { "?budget=0.5:0.5", "image/png", "x", 400, "budget: a family has sizes by FLOPs, parameters and latency, found ratios" },
        { "?budget=size=0.5", "image/png", "x", 400, "budget: a family has sizes by FLOPs, parameters and latency, found a file size" },
        { "?colour=red", "image/png", "x", 400, "expected budget, deadline_ms, top or images, found 'colour'" },
        { "", "image/png", "", 400, "image: expected a JPEG, PNG, WebP, BMP or TIFF image, found no usable header in 0 bytes" },
        { "", "image/png", "no image at all", 400, "image: expected a JPEG, PNG, WebP, BMP or TIFF image" },
        { "", "text/plain", "x", 415, "content type: expected multipart/form-data, application/json or image/*, found 'text/plain'" },
        { "", "multipart/form-data", "x", 400, "content type: expected a boundary" },
        { "", Form, "", 400, "body: expected multipart/form-data, found: " },
        { "", Form, "--xx\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nhalf", 400, "body: expected multipart/form-data, found: " },
        { "", Form, "--xx\r\nA: b\r\n\r\nx\r\n--xx--\r\n", 400, "body: expected a Content-Disposition in every part" },
        { "", Form, "--xx\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--xx--\r\n", 400, "expected budget, deadline_ms, top or images, found 'a'" },
        { "", Form, "--xx\r\nContent-Disposition: form-data; name=a; filename=b.png\r\n\r\nx\r\n--xx--\r\n", 400, "b.png: expected a JPEG" },
        { "", Form, "--xx--\r\n", 400, "images: expected at least one, found none" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public async Task What_is_malformed_is_told_in_one_line(string query, string type, string body, int status, string detail)
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        await served.BesideOthersAsync(async () =>
        {
            (HttpStatusCode found, JsonElement problem, _) =
                await served.PostAsync($"/embed{query}", ServedFamily.Content(Encoding.UTF8.GetBytes(body), type));
            Assert.Equal(status, (int)found);
            Assert.Equal(status, problem.GetProperty("status").GetInt32());
            string said = problem.GetProperty("detail").GetString()!;
            Assert.Contains(detail, said, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', said);
        });
        Assert.Equal("", served.Log.ToString());
    }

    [Fact]
    public async Task A_long_field_and_a_long_boundary_are_told()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        string field = $"--xx\r\nContent-Disposition: form-data; name=budget\r\n\r\n{new string('1', 5000)}\r\n--xx--\r\n";
        await Refused(served, ServedFamily.Content(Encoding.UTF8.GetBytes(field), Form), 400, "budget: expected a file, or a value of at most 256 bytes");
        string header = $"--xx\r\nContent-Disposition: form-data; name=a; filename={new string('n', 9000)}\r\n\r\nx\r\n--xx--\r\n";
        await Refused(served, ServedFamily.Content(Encoding.UTF8.GetBytes(header), Form), 400, "body: expected multipart/form-data, found: ");
        await Refused(
            served, ServedFamily.Content([1], $"multipart/form-data; boundary={new string('b', 200)}"), 400, "content type: expected a boundary");
    }

    [Fact]
    public async Task A_bomb_is_refused_by_its_header_before_memory_is_taken()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        byte[] flat = TemporaryImages.Encode(new SnapViT.Data.RgbImage(1200, 1000, new byte[1200 * 1000 * 3]), SKEncodedImageFormat.Png);
        Assert.True(flat.Length < 20_000, $"{flat.Length} bytes");
        byte[] forged = ServedFamily.Encoded(1);
        forged[16] = forged[20] = 0;
        (forged[17], forged[21]) = (0x7F, 0x7F);
        await served.BesideOthersAsync(async () =>
        {
            await Refused(served, ServedFamily.Content(flat), 400, "image: expected sides of at most 65535 and at most 1000000 pixels, found 1200 x 1000");
            await Refused(served, ServedFamily.Content(forged), 400, "image: ");
            await Refused(served, ServedFamily.Content(ServedFamily.Encoded(1)[..500]), 400, "image: the image is damaged or cut short");
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_that_is_too_large_is_refused_whether_it_says_so_or_not(bool saysSo)
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        await served.BesideOthersAsync(async () =>
        {
            await using NetworkStream connection = await served.ConnectAsync();
            if (saysSo)
            {
                await connection.WriteAsync(ServedFamily.Head("/embed", 1L << 40), Token);
            }
            else
            {
                byte[] chunk = [.. Encoding.ASCII.GetBytes("10000\r\n"), .. new byte[0x10000], .. "\r\n"u8];
                await connection.WriteAsync(
                    "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray(), Token);
                await connection.WriteAsync(chunk, Token);
                await connection.WriteAsync(chunk, Token);
            }

            string answer = await ServedFamily.AnswerAsync(connection);
            Assert.StartsWith("HTTP/1.1 413", answer, StringComparison.Ordinal);
            Assert.Contains(saysSo ? "found 1099511627776" : "too large", answer, StringComparison.OrdinalIgnoreCase);
        });
    }

    [Fact]
    public async Task A_body_that_drips_is_answered_after_its_time()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        int asked = await served.BesideOthersAsync(async () =>
        {
            await using NetworkStream connection = await served.ConnectAsync();
            await connection.WriteAsync(ServedFamily.Head("/embed", 50_000), Token);
            Task<string> answer = ServedFamily.AnswerAsync(connection);
            while (!answer.IsCompleted)
            {
                try
                {
                    await connection.WriteAsync(new byte[] { 1 }, Token);
                }
                catch (IOException)
                {
                    break;
                }

                await Task.Delay(20, Token);
            }

            Assert.StartsWith("HTTP/1.1 408", await answer, StringComparison.Ordinal);
            Assert.Contains("body: expected within 0 s", await answer, StringComparison.Ordinal);
        });
        Assert.True(asked > 10, $"{asked} requests beside it");
    }

    [Fact]
    public async Task Clients_that_go_in_the_middle_are_forgotten()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        byte[] image = ServedFamily.Encoded(1);
        await served.BesideOthersAsync(async () =>
        {
            for (int sent = 0; sent < 40; sent++)
            {
                // In the headers, in the body, or after it.
                await using NetworkStream connection = await served.ConnectAsync();
                byte[] request = [.. ServedFamily.Head("/embed", image.Length), .. image];
                await connection.WriteAsync(request.AsMemory(0, 1 + ((request.Length - 1) * sent / 39)), Token);
                connection.Socket.LingerState = new LingerOption(true, 0);
            }
        });
        await EventuallyAsync(async () =>
        {
            string metrics = await served.Client.GetStringAsync("/metrics", Token);
            return metrics.Contains("snapvit_body_held_bytes{otel_scope_name=\"SnapViT.Server\"} 0", StringComparison.Ordinal);
        });
        Assert.Equal("", served.Log.ToString());
    }

    [Theory]
    [InlineData("\0\0\0\0\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 505")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1 400")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400")]
    public async Task What_is_no_HTTP_is_refused(string sent, string answer)
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small);
        await served.BesideOthersAsync(async () =>
        {
            await using NetworkStream connection = await served.ConnectAsync();
            await connection.WriteAsync(Encoding.ASCII.GetBytes(sent), Token);
            Assert.StartsWith(answer, await ServedFamily.AnswerAsync(connection), StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task More_requests_than_are_taken_at_a_time_are_answered_with_429()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small with { MaxRequests = 2, BodyTimeout = TimeSpan.FromSeconds(30) });
        await using NetworkStream first = await served.ConnectAsync();
        await first.WriteAsync(ServedFamily.Head("/embed", 10), Token);
        List<NetworkStream> others = [];
        await EventuallyAsync(async () =>
        {
            // The request that asks may itself have been the second one, and have kept this one out: then another is tried.
            others.Add(await served.ConnectAsync());
            await others[^1].WriteAsync(ServedFamily.Head("/embed", 10), Token);
            (HttpStatusCode status, JsonElement problem, HttpResponseHeaders headers) =
                await served.PostAsync("/embed", ServedFamily.Content(ServedFamily.Encoded(1)));
            return status == HttpStatusCode.TooManyRequests && headers.RetryAfter!.Delta == TimeSpan.FromSeconds(1)
                && problem.GetProperty("detail").GetString() == "2 requests are running already";
        });
        Assert.Equal("ok", (await served.GetAsync("/health")).GetProperty("status").GetString());
        await first.WriteAsync(new byte[10], Token);
        Assert.StartsWith("HTTP/1.1 400", await ServedFamily.AnswerAsync(first), StringComparison.Ordinal);
        await served.EmbedAsync("/embed", ServedFamily.Content(ServedFamily.Encoded(1)));
        others.ForEach(connection => connection.Dispose());
    }

    [Fact]
    public async Task Bodies_together_take_no_more_memory_than_is_allowed()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small with { BodyTimeout = TimeSpan.FromSeconds(30) });
        List<NetworkStream> held = [];
        for (int connection = 0; connection < 12; connection++)
        {
            held.Add(await served.ConnectAsync());
            await held[^1].WriteAsync(ServedFamily.Head("/embed", 99_000), Token);
            await held[^1].WriteAsync(new byte[90_000], Token);
        }

        string answer = await await Task.WhenAny(held.Select(ServedFamily.AnswerAsync));
        Assert.StartsWith("HTTP/1.1 429", answer, StringComparison.Ordinal);
        Assert.Contains("body: the server holds at most 800000 bytes of requests at a time", answer, StringComparison.Ordinal);
        held.ForEach(connection => connection.Dispose());
    }

    [Fact]
    public async Task A_body_that_does_not_come_does_not_keep_the_server_from_stopping()
    {
        await using ServedFamily served = await ServedFamily.StartAsync(Small with { BodyTimeout = TimeSpan.FromSeconds(60) });
        await using NetworkStream connection = await served.ConnectAsync();
        await connection.WriteAsync(ServedFamily.Head("/embed", 10), Token);
        await Task.Delay(100, Token);
        Task stopped = served.Server.DisposeAsync().AsTask();
        Assert.StartsWith("HTTP/1.1 503", await ServedFamily.AnswerAsync(connection), StringComparison.Ordinal);
        await stopped.WaitAsync(TimeSpan.FromSeconds(20), Token);
    }

    private static async Task Refused(ServedFamily served, HttpContent content, int status, string detail)
    {
        (HttpStatusCode found, JsonElement problem, _) = await served.PostAsync("/embed", content);
        Assert.Equal(status, (int)found);
        Assert.Contains(detail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private static async Task EventuallyAsync(Func<Task<bool>> holds)
    {
        for (int tries = 0; tries < 200; tries++)
        {
            if (await holds())
            {
                return;
            }

            await Task.Delay(50, Token);
        }

        Assert.Fail("it did not come to that within 10 s");
    }
}
