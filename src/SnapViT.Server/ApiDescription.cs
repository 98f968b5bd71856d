using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace SnapViT.Server;

/// <summary>What the OpenAPI document says besides what ASP.NET finds by itself: forms of requests, faults, the key.</summary>
internal static class ApiDescription
{
    public const string Budget =
        "A share of the FLOPs such as 0.6, params=0.5, latency=12ms, or the name of a size. With a deadline it is the most.";
    public const string Deadline = "Milliseconds until the answer is due; the largest size that is fast enough is taken.";
    public const string Top = "Classes of an answer of /classify.";

    private static readonly int[] Faults = [400, 401, 408, 413, 415, 422, 429, 503];

    /// <summary>On endpoints that take images.</summary>
    public static object TakesImages { get; } = new ImagesMark();

    public static void Configure(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "snapvit serve",
                Version = "1",
                Description = "One Vision Transformer at many sizes: a request says its budget or its deadline.",
            };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
            document.Components.SecuritySchemes["key"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Header, Name = "X-Api-Key",
                Description = "Where the server was started with a key.",
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(async (operation, context, cancellation) =>
        {
            if (!context.Description.ActionDescriptor.EndpointMetadata.OfType<ImagesMark>().Any())
            {
                return;
            }

            OpenApiSchema json = await context.GetOrCreateSchemaAsync(typeof(JsonImages), null, cancellation).ConfigureAwait(false);
            json.Required = new HashSet<string> { "images" };
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/json"] = new() { Schema = json },
                    ["multipart/form-data"] = new() { Schema = Form() },
                    ["image/*"] = new() { Schema = Binary() },
                },
            };
            operation.Parameters =
            [
                Query("budget", JsonSchemaType.String, Budget),
                Query("deadline_ms", JsonSchemaType.Number, Deadline),
                Query("top", JsonSchemaType.Integer, Top),
            ];
            operation.Responses ??= [];
            foreach (int status in Faults)
            {
                operation.Responses[$"{status}"] = new OpenApiResponse { Description = RequestFault.TitleOf(status) };
            }
        });
    }

    private static OpenApiParameter Query(string name, JsonSchemaType type, string says) => new()
    {
        Name = name, In = ParameterLocation.Query, Description = says, Schema = new OpenApiSchema { Type = type },
    };

    private static OpenApiSchema Form() => new()
    {
        Type = JsonSchemaType.Object,
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["images"] = new OpenApiSchema { Type = JsonSchemaType.Array, Items = Binary() },
            ["budget"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["deadline_ms"] = new OpenApiSchema { Type = JsonSchemaType.Number },
        },
    };

    private static OpenApiSchema Binary() => new() { Type = JsonSchemaType.String, Format = "binary" };

    private sealed class ImagesMark;
}
