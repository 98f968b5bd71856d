using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using SnapViT.Cli.Demo;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Extensions.AI;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Runtime;
using SnapViT.Samples.PhotoSearch;

namespace SnapViT.Cli.Tests.Samples;

/// <summary>The sample indexes a folder and finds a photo's look-alikes, from the command line and on its page.</summary>
public sealed class PhotoSearchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-search-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task It_finds_a_photo_itself_first_and_leaves_out_what_it_cannot_read()
    {
        int photos = await IndexAsync();
        string photo = Directory.GetFiles(In("photos"), "*.png", SearchOption.AllDirectories).Order().First();
        (int code, string output, string error) = await RunAsync("find", In("family"), In("index"), photo);
        string[] found = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal((0, "", 5), (code, error, found.Length));
        Assert.Equal($"1.000 {photo}", found[0]);
        Assert.Equal(found.OrderByDescending(line => line[..5]), found);
        Assert.True(photos > 5);
    }

    [Fact]
    public async Task Its_page_takes_a_photo_and_answers_with_others()
    {
        await IndexAsync();
        string photo = Directory.GetFiles(In("photos"), "*.png", SearchOption.AllDirectories).Order().ElementAt(3);
        using ViTFamily family = ViTFamily.Open(In("family"));
        using SnapViTEmbeddingGenerator generator = new(family, new SnapViTEmbeddingOptions { Budget = "0.6" });
        using PhotoIndex index = PhotoIndex.Open(In("index"));
        await using WebApplication page = SearchPage.Create(generator, index, port: 0);
        await page.StartAsync(Token);
        using HttpClient client = new() { BaseAddress = new Uri(page.Urls.Single()) };
        Assert.Equal("127.0.0.1", client.BaseAddress.Host);
        Assert.Contains("<h1>Look-alikes</h1>", await client.GetStringAsync("/", Token), StringComparison.Ordinal);

        using HttpResponseMessage answer = await Send(client, await File.ReadAllBytesAsync(photo, Token));
        JsonElement first = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Token)).RootElement[0];
        Assert.Equal(photo, first.GetProperty("photo").GetString());
        Assert.Equal(
            await File.ReadAllBytesAsync(photo, Token), await client.GetByteArrayAsync($"/photo/{first.GetProperty("number").GetInt32()}", Token));

        using HttpResponseMessage damaged = await Send(client, [1, 2, 3]);
        Assert.Equal(HttpStatusCode.BadRequest, damaged.StatusCode);
        Assert.StartsWith("the photo: expected a JPEG, PNG, WebP, BMP or TIFF", await damaged.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using HttpResponseMessage unknown = await client.GetAsync("/photo/99999", Token);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        using HttpResponseMessage path = await client.GetAsync("/photo/..%2F..%2Findex%2Fphotos.json", Token);
        Assert.Equal(HttpStatusCode.NotFound, path.StatusCode);
    }

    [Theory]
    [InlineData("find", "usage: PhotoSearch index FAMILY PHOTOS INDEX")]
    [InlineData("index no-family photos out", "no-family: expected the folder of an ONNX family")]
    [InlineData("serve no-family out 80x", "port: expected a number up to 65535, found '80x'")]
    public async Task What_it_cannot_use_is_told_in_one_line(string arguments, string fault)
    {
        (int code, string output, string error) = await RunAsync(arguments.Split(' '));
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(fault, Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    /// <summary>Writes a family of the demo's model, photos with a damaged one among them, and their index.</summary>
    private async Task<int> IndexAsync()
    {
        DemoModel.Extract(In("model.safetensors")).Dispose();
        int photos = DemoImages.WriteUnlabelled(In("photos"), seed: 1, perClass: 2).Count;
        await File.WriteAllTextAsync(Path.Combine(In("photos"), "damaged.png"), "no image", Token);
        using (LoadedModel model = ModelFile.Load(In("model.safetensors")))
        {
            ImportanceScores scores = Criterion.Lamp.Of(model.Model.Weights, 1);
            using ElasticViT elastic = ElasticViT.Open(
                model, new ElasticScores(scores, ScoreCoefficients.Equal(scores.Counts), new KeepFloors(), new Dictionary<string, string>()));
            using Subnet small = elastic.At(Budget.Flops(0.6)), whole = elastic.At(Budget.Whole);
            elastic.SaveOnnxFamily(In("family"), [("flops-0.6", small), ("flops-1.0", whole)]);
        }

        (int code, string output, string error) = await RunAsync("index", In("family"), In("photos"), In("index"));
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith($"{photos} photos in ", output, StringComparison.Ordinal);
        return photos;
    }

    private static Task<HttpResponseMessage> Send(HttpClient client, byte[] photo) =>
        client.PostAsync("/find", new ByteArrayContent(photo), Token);

    private string In(string name) => Path.Combine(_folder, name);

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = await Sample.RunAsync(args, output, error, Token);
        return (code, output.ToString(), error.ToString());
    }
}
