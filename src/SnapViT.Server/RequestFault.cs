using Microsoft.AspNetCore.Http;

namespace SnapViT.Server;

/// <summary>A request that is not done: its status, one line that says why, and when it may be tried again.</summary>
internal sealed class RequestFault(int status, string detail, TimeSpan? retryAfter = null) : Exception(detail)
{
    public int Status => status;

    /// <summary>Null where trying again would not help.</summary>
    public TimeSpan? RetryAfter => retryAfter;

    public static RequestFault Wrong(string detail) => new(StatusCodes.Status400BadRequest, detail);

    public static RequestFault TooLarge(string detail) => new(StatusCodes.Status413PayloadTooLarge, detail);

    /// <summary>The server has as much work as it can do.</summary>
    public static RequestFault Overloaded(string detail, TimeSpan retryAfter) =>
        new(StatusCodes.Status429TooManyRequests, detail, retryAfter);

    public static RequestFault Stopping() =>
        new(StatusCodes.Status503ServiceUnavailable, "the server is stopping", TimeSpan.FromSeconds(5));

    /// <summary>What stands in the field <c>title</c>.</summary>
    public static string TitleOf(int status) => status switch
    {
        400 => "Wrong request",
        401 => "API key missing or wrong",
        404 => "Not found",
        405 => "Method not allowed",
        408 => "Request too slow",
        413 => "Request too large",
        415 => "Content type not known",
        422 => "Deadline cannot be met",
        429 => "Overloaded",
        503 => "Not available",
        _ => "Internal failure",
    };
}
