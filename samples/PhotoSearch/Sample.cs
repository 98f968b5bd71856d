using System.Globalization;
using Microsoft.Extensions.AI;
using SnapViT.Core.Errors;
using SnapViT.Extensions.AI;
using SnapViT.Runtime;

namespace SnapViT.Samples.PhotoSearch;

/// <summary>The program from its arguments to its exit code: 0 done, 1 wrong arguments or files, told in one line.</summary>
internal static class Sample
{
    private const string Usage = "usage: PhotoSearch index FAMILY PHOTOS INDEX | find FAMILY INDEX PHOTO | serve FAMILY INDEX [PORT]";
    private const int Found = 5, DefaultPort = 5080;

    /// <summary>A little less accuracy for much less time: an index and its questions take the same budget.</summary>
    private static readonly SnapViTEmbeddingOptions Options = new() { Budget = "0.6", BatchSize = 16 };

    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        try
        {
            return args switch
            {
                ["index", string family, string photos, string index] => await IndexAsync(family, photos, index, output, cancellation),
                ["find", string family, string index, string photo] => await FindAsync(family, index, photo, output, cancellation),
                ["serve", string family, string index] => await ServeAsync(family, index, DefaultPort, output, cancellation),
                ["serve", string family, string index, string port] => await ServeAsync(family, index, Port(port), output, cancellation),
                _ => throw new FormatException(Usage),
            };
        }
        catch (Exception wrong) when (wrong is SnapViTException or IOException or UnauthorizedAccessException or FormatException)
        {
            error.WriteLine($"PhotoSearch: {wrong.Message.ReplaceLineEndings(" ")}");
            return 1;
        }
    }

    private static async Task<int> IndexAsync(
        string family, string photos, string index, TextWriter output, CancellationToken cancellation)
    {
        using Search search = Open(family);
        (int count, TimeSpan time) = await PhotoIndex.WriteAsync(search.Generator, photos, index, cancellation);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} photos in {time.TotalSeconds:0.0} s, {index}"));
        return 0;
    }

    private static async Task<int> FindAsync(string family, string index, string photo, TextWriter output, CancellationToken cancellation)
    {
        using Search search = Open(family);
        using PhotoIndex photos = PhotoIndex.Open(index);
        DataContent content = await PhotoIndex.ReadAsync(photo, cancellation);
        foreach (LookAlike found in await photos.FindAsync(search.Generator, content, Found, cancellation))
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{found.Similarity:0.000} {found.Photo}"));
        }

        return 0;
    }

    private static async Task<int> ServeAsync(string family, string index, int port, TextWriter output, CancellationToken cancellation)
    {
        using Search search = Open(family);
        using PhotoIndex photos = PhotoIndex.Open(index);
        await using WebApplication page = SearchPage.Create(search.Generator, photos, port);
        await page.StartAsync(cancellation);
        output.WriteLine($"open {page.Urls.First()}");
        await page.WaitForShutdownAsync(cancellation);
        return 0;
    }

    private static int Port(string text) => ushort.TryParse(text, CultureInfo.InvariantCulture, out ushort port)
        ? port
        : throw new FormatException($"port: expected a number up to {ushort.MaxValue}, found '{text}'");

    private static Search Open(string family)
    {
        ViTFamily model = ViTFamily.Open(family);
        return new Search(model, new SnapViTEmbeddingGenerator(model, Options));
    }

    /// <summary>A model and the generator over it.</summary>
    private sealed class Search(IDisposable model, IEmbeddingGenerator<DataContent, Embedding<float>> generator) : IDisposable
    {
        public IEmbeddingGenerator<DataContent, Embedding<float>> Generator => generator;

        public void Dispose()
        {
            generator.Dispose();
            model.Dispose();
        }
    }
}
