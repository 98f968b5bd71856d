using Microsoft.Extensions.AI;
using SnapViT.Core.Errors;

namespace SnapViT.Samples.PhotoSearch;

/// <summary>One page: a photo in, its look-alikes out. It listens on the loopback address only.</summary>
internal static class SearchPage
{
    private const int Found = 12;

    /// <summary>The most bytes of a photo that is sent.</summary>
    private const long MostBytes = 20 << 20;

    private const string Html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Look-alikes</title>
        <style>
          body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
          #found { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; margin-top: 1rem; }
          figure { margin: 0 } img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .5rem; cursor: pointer }
        </style>
        <h1>Look-alikes</h1>
        <p><label>A photo: <input id="photo" type="file" accept="image/*"></label></p>
        <p id="said" role="status"></p>
        <div id="found"></div>
        <script>
          const said = document.getElementById('said'), found = document.getElementById('found');
          async function search(photo) {
            said.textContent = 'searching';
            const answer = await fetch('find', { method: 'POST', body: photo });
            if (!answer.ok) { said.textContent = await answer.text(); found.replaceChildren(); return; }
            const alike = await answer.json();
            said.textContent = `${alike.length} photos, the most alike first; click one to search for it`;
            found.replaceChildren(...alike.map(one => {
              const figure = document.createElement('figure'), image = document.createElement('img'), text = document.createElement('figcaption');
              image.src = `photo/${one.number}`; image.alt = one.photo;
              image.onclick = async () => search(await (await fetch(image.src)).blob());
              text.textContent = one.similarity.toFixed(3);
              figure.append(image, text);
              return figure;
            }));
          }
          document.getElementById('photo').onchange = event => search(event.target.files[0]);
        </script>
        </html>
        """;

    /// <summary>The page as a program that is not started yet.</summary>
    /// <param name="generator">The model.</param>
    /// <param name="photos">The index.</param>
    /// <param name="port">The port on 127.0.0.1; 0 for any that is free.</param>
    public static WebApplication Create(IEmbeddingGenerator<DataContent, Embedding<float>> generator, PhotoIndex photos, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}").ConfigureKestrel(server => server.Limits.MaxRequestBodySize = MostBytes);
        builder.Logging.ClearProviders();
        WebApplication page = builder.Build();
        page.MapGet("/", () => Results.Content(Html, "text/html; charset=utf-8"));
        page.MapGet("/photo/{number:int}", (int number) =>
            photos.Photo(number) is string path && File.Exists(path) ? Results.File(path, "image/*") : Results.NotFound());
        page.MapPost("/find", async (HttpRequest request, CancellationToken cancellation) =>
        {
            using MemoryStream body = new();
            await request.Body.CopyToAsync(body, cancellation);
            try
            {
                DataContent photo = new(body.ToArray(), "image/*") { Name = "the photo" };
                return Results.Json(await photos.FindAsync(generator, photo, Found, cancellation));
            }
            catch (SnapViTException wrong)
            {
                return Results.Text(wrong.Message, statusCode: StatusCodes.Status400BadRequest);
            }
        });
        return page;
    }
}
