using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using SkiaSharp;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Runtime;
using SnapViT.Server;
using SnapViT.Tests.Data;
using SnapViT.Tests.Export;

namespace SnapViT.Tests.Server;

/// <summary>A family of three sizes with five classes, and a server of it on a free port of the loopback address.</summary>
internal sealed class ServedFamily : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("snapvit-serve-");

    private ServedFamily()
    {
        Folder = Path.Combine(_root.FullName, "tiny");
        using VisionTransformer model = TinyModels.Create("vit");
        using ElasticViT elastic = TinyModels.Elastic(model);
        List<(string Name, Subnet Subnet)> subnets =
            [.. new[] { "0.4", "0.7", "1" }.Select(budget => ($"flops-{budget}", elastic.At(Budget.Parse(budget))))];
        elastic.SaveOnnxFamily(Folder, subnets);
        subnets.ForEach(subnet => subnet.Subnet.Dispose());
        Family = ViTFamily.Open(Folder, new RuntimeOptions { ReadWeights = true, Threads = 1 });
    }

    public string Folder { get; }

    public ViTFamily Family { get; }

    public EmbedServer Server { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public StringWriter Log { get; } = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The family alone.</summary>
    public static ServedFamily Create() => new();

    /// <summary>The family, served.</summary>
    public static async Task<ServedFamily> StartAsync(ServerOptions? options = null)
    {
        ServedFamily served = new();
        served.Server = await EmbedServer.StartAsync(
            served.Family, (options ?? new ServerOptions()) with { Listen = new IPEndPoint(IPAddress.Loopback, 0) }, served.Log, Token);
        served.Client = new HttpClient { BaseAddress = new Uri(served.Server.Url), Timeout = TimeSpan.FromSeconds(30) };
        return served;
    }

    public static byte[] Encoded(int seed) => TemporaryImages.Encode(TemporaryImages.Random(40, 36, (ulong)seed), SKEncodedImageFormat.Png);

    public static ImageEntry Image(int seed) => ImageEntry.FromBytes($"{seed}", Encoded(seed));

    public static ByteArrayContent Content(byte[] bytes, string type = "image/png")
    {
        ByteArrayContent content = new(bytes);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        return content;
    }

    /// <summary>Status, the JSON that came, and the headers.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Json, HttpResponseHeaders Headers)> PostAsync(string path, HttpContent content)
    {
        using HttpResponseMessage answer = await Client.PostAsync(path, content, Token);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Token)).RootElement, answer.Headers);
    }

    public async Task<float[][]> EmbedAsync(string path, HttpContent content)
    {
        (HttpStatusCode status, JsonElement json, _) = await PostAsync(path, content);
        Assert.True(status == HttpStatusCode.OK, json.ToString());
        return Vectors(json);
    }

    public static float[][] Vectors(JsonElement json) =>
        [.. json.GetProperty("embeddings").EnumerateArray().Select(row => row.EnumerateArray().Select(value => value.GetSingle()).ToArray())];

    public async Task<JsonElement> GetAsync(string path) => JsonDocument.Parse(await Client.GetStringAsync(path, Token)).RootElement;

    /// <summary>A connection that says what no client would.</summary>
    public async Task<NetworkStream> ConnectAsync()
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Client.BaseAddress!.Port, Token);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public static byte[] Head(string path, long length, string type = "image/png", string more = "") => Encoding.ASCII.GetBytes(
        $"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {type}\r\nContent-Length: {length}\r\n{more}\r\n");

    /// <summary>All that comes until the connection ends or an answer is whole.</summary>
    public static async Task<string> AnswerAsync(NetworkStream connection)
    {
        StringBuilder text = new();
        byte[] buffer = new byte[4096];
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!text.ToString().EndsWith("0\r\n\r\n", StringComparison.Ordinal))
        {
            int count = await connection.ReadAsync(buffer, patience.Token);
            if (count == 0)
            {
                break;
            }

            text.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }

        return text.ToString();
    }

    /// <summary>While something happens, two others ask all the time; all of them must get what is right.</summary>
    public async Task<int> BesideOthersAsync(Func<Task> happens)
    {
        float[] expected = Family.Members[0].Embed(Encoded(7));
        Task<int>[] others = [];
        using CancellationTokenSource end = new();
        others = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            int asked = 0;
            do
            {
                AssertClose(expected, Assert.Single(await EmbedAsync("/embed", Content(Encoded(7)))));
                asked++;
            }
            while (!end.IsCancellationRequested);
            return asked;
        }))];
        try
        {
            await happens();
        }
        finally
        {
            await end.CancelAsync();
        }

        return (await Task.WhenAll(others)).Sum();
    }

    public static void AssertClose(float[] expected, float[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], found[i], 1e-4f);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        Family.Dispose();
        Log.Dispose();
        if (_root.Exists)
        {
            _root.Delete(recursive: true);
        }
    }
}
