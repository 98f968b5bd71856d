using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using SnapViT.Data;

namespace SnapViT.Server;

/// <summary>What a request asks for, whatever its form.</summary>
internal sealed class ImageRequest
{
    private const string BudgetField = "budget", DeadlineField = "deadline_ms", TopField = "top", ImagesField = "images";
    private const int MostFields = 16, MostFieldBytes = 256, MostHeaderBytes = 4096, MostClasses = 100_000;
    private const double MostMilliseconds = 600_000;

    private readonly int _mostImages;
    private readonly List<ImageEntry> _images = [];
    private readonly HashSet<string> _given = [];

    private ImageRequest(int mostImages) => _mostImages = mostImages;

    /// <summary>The images, at least one.</summary>
    public IReadOnlyList<ImageEntry> Images => _images;

    /// <summary>The size asked for; null where none is.</summary>
    public string? Budget { get; private set; }

    /// <summary>The time from the request's first byte to its answer; null without a deadline.</summary>
    public TimeSpan? Deadline { get; private set; }

    /// <summary>Classes of an answer.</summary>
    public int Top { get; private set; } = 5;

    /// <summary>Reads a request: its query, and its body as multipart, JSON, or one image.</summary>
    /// <exception cref="RequestFault">It is not well formed, or has too many images.</exception>
    public static async Task<ImageRequest> ReadAsync(HttpRequest request, BodyReader.HeldBody body, int mostImages)
    {
        ImageRequest read = new(mostImages);
        foreach ((string name, Microsoft.Extensions.Primitives.StringValues values) in request.Query)
        {
            foreach (string? value in values)
            {
                read.Set(name, value ?? "");
            }
        }

        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type))
        {
            throw UnknownType(request.ContentType);
        }

        if (type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
        {
            await read.AddFormAsync(HeaderUtilities.RemoveQuotes(type.Boundary).Value, body).ConfigureAwait(false);
        }
        else if (type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            read.AddJson(body.Bytes);
        }
        else if (type.Type.Equals("image", StringComparison.OrdinalIgnoreCase)
            || type.MediaType.Equals("application/octet-stream", StringComparison.OrdinalIgnoreCase))
        {
            read.Add("image", body.Bytes);
        }
        else
        {
            throw UnknownType(request.ContentType);
        }

        return read._images.Count > 0 ? read : throw RequestFault.Wrong($"{ImagesField}: expected at least one, found none");
    }

    private static RequestFault UnknownType(string? found) => new(
        StatusCodes.Status415UnsupportedMediaType,
        $"content type: expected multipart/form-data, application/json or image/*, found '{found}'");

    private void Add(string name, ReadOnlyMemory<byte> bytes)
    {
        if (_images.Count == _mostImages)
        {
            throw RequestFault.TooLarge($"{ImagesField}: expected at most {_mostImages} images in a request, found more");
        }

        _images.Add(ImageEntry.FromBytes(name, bytes));
    }

    private void Set(string name, string value)
    {
        if (!_given.Add(name))
        {
            throw RequestFault.Wrong($"{name}: expected once, found twice");
        }

        switch (name)
        {
            case BudgetField:
                Budget = value;
                break;
            case DeadlineField:
                Deadline = TimeSpan.FromMilliseconds(Number(name, value, MostMilliseconds));
                break;
            case TopField:
                Top = (int)Math.Ceiling(Number(name, value, MostClasses));
                break;
            default:
                throw RequestFault.Wrong($"expected {BudgetField}, {DeadlineField}, {TopField} or {ImagesField}, found '{name}'");
        }
    }

    private static double Number(string name, string text, double most) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 && number <= most
            ? number
            : throw RequestFault.Wrong(
                string.Create(CultureInfo.InvariantCulture, $"{name}: expected a number above 0 and up to {most}, found '{text}'"));

    private async Task AddFormAsync(string? boundary, BodyReader.HeldBody body)
    {
        if (string.IsNullOrEmpty(boundary) || boundary.Length > 100)
        {
            throw RequestFault.Wrong("content type: expected a boundary of up to 100 characters, found another");
        }

        MultipartReader reader = new(boundary, body.Open()) { HeadersCountLimit = MostFields, HeadersLengthLimit = MostHeaderBytes };
        try
        {
            while (await reader.ReadNextSectionAsync().ConfigureAwait(false) is MultipartSection section)
            {
                await AddPartAsync(section).ConfigureAwait(false);
            }
        }
        catch (Exception damaged) when (damaged is InvalidDataException or IOException)
        {
            throw RequestFault.Wrong($"body: expected multipart/form-data, found: {damaged.Message.ReplaceLineEndings(" ")}");
        }
    }

    private async Task AddPartAsync(MultipartSection section)
    {
        if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? part))
        {
            throw RequestFault.Wrong("body: expected a Content-Disposition in every part, found one without");
        }

        string name = HeaderUtilities.RemoveQuotes(part.Name).ToString();
        using MemoryStream content = new();
        await section.Body.CopyToAsync(content).ConfigureAwait(false);
        if (part.IsFileDisposition())
        {
            string file = HeaderUtilities.RemoveQuotes(part.FileNameStar.HasValue ? part.FileNameStar : part.FileName).ToString();
            Add(Said(file.Length > 0 ? file : $"image {_images.Count}"), content.GetBuffer().AsMemory(0, (int)content.Length));
        }
        else if (content.Length <= MostFieldBytes)
        {
            Set(name, Encoding.UTF8.GetString(content.GetBuffer(), 0, (int)content.Length));
        }
        else
        {
            throw RequestFault.Wrong(
                $"{Said(name)}: expected a file, or a value of at most {MostFieldBytes} bytes, found {content.Length}");
        }
    }

    /// <summary>A name as it may stand in a message.</summary>
    private static string Said(string name) => new([.. name.Take(100).Select(letter => char.IsControl(letter) ? '?' : letter)]);

    private void AddJson(ReadOnlyMemory<byte> body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = 4 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw RequestFault.Wrong($"body: expected a JSON object, found {document.RootElement.ValueKind}");
            }

            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name == ImagesField)
                {
                    AddImages(property.Value);
                }
                else if (property.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
                {
                    Set(Said(property.Name), property.Value.ToString());
                }
                else
                {
                    throw RequestFault.Wrong($"{Said(property.Name)}: expected a text or a number, found {property.Value.ValueKind}");
                }
            }
        }
        catch (JsonException damaged)
        {
            throw RequestFault.Wrong($"body: expected JSON, found: {damaged.Message.ReplaceLineEndings(" ")}");
        }
    }

    private void AddImages(JsonElement images)
    {
        if (images.ValueKind != JsonValueKind.Array)
        {
            throw RequestFault.Wrong($"{ImagesField}: expected a list of base64 texts, found {images.ValueKind}");
        }

        foreach (JsonElement image in images.EnumerateArray())
        {
            int index = _images.Count;
            if (image.ValueKind != JsonValueKind.String)
            {
                throw RequestFault.Wrong($"{ImagesField}[{index}]: expected a base64 text, found {image.ValueKind}");
            }

            Add($"{ImagesField}[{index}]", Decoded(image, index));
        }
    }

    /// <summary>The bytes of a base64 text, or of a data URI with one.</summary>
    private static byte[] Decoded(JsonElement image, int index)
    {
        if (image.TryGetBytesFromBase64(out byte[]? bytes))
        {
            return bytes;
        }

        string text = image.GetString()!;
        int comma = text.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? text.IndexOf(";base64,", StringComparison.Ordinal) : -1;
        byte[] decoded = new byte[text.Length];
        return comma > 0 && Convert.TryFromBase64Chars(text.AsSpan(comma + ";base64,".Length), decoded, out int length)
            ? decoded[..length]
            : throw RequestFault.Wrong($"{ImagesField}[{index}]: expected base64, found another text of {text.Length} characters");
    }
}
