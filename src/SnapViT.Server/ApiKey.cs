using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace SnapViT.Server;

/// <summary>The key that requests must show, in <c>X-Api-Key</c> or as <c>Authorization: Bearer</c>.</summary>
internal sealed class ApiKey(string key)
{
    private const string Bearer = "Bearer ";

    private readonly byte[] _hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>Whether a request shows it. The time does not depend on where a wrong one differs, nor on its length.</summary>
    public bool IsShownBy(HttpRequest request)
    {
        string? authorization = request.Headers.Authorization;
        string? shown = authorization?.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) == true
            ? authorization[Bearer.Length..].Trim()
            : request.Headers["X-Api-Key"];
        return shown is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(shown)), _hash);
    }
}
