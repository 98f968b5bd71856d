using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;

namespace SnapViT.Hub;

/// <summary>
/// Single requests to a hub, without retries. Redirects are followed here, one by one, so that the token goes to the hub's own origin only;
/// certificates are checked by the system's rules, and there is no way to turn that off.
/// </summary>
internal sealed class HubConnection(HubOptions options) : IDisposable
{
    private const int MostRedirects = 10;
    private const int LargestListing = 16 << 20;

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = options.StallTimeout,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public void Dispose() => _http.Dispose();

    /// <summary>The commit of a revision and its files.</summary>
    public async Task<HubListing> ListAsync(HubModelName name, CancellationToken cancellation)
    {
        HubRequest request = new(name);
        using HttpResponseMessage answer = await SendAsync(HttpMethod.Get, request, 0, cancellation).ConfigureAwait(false);
        byte[] json = await UnstalledAsync(request, stop => ReadAsync(answer, request, stop), cancellation).ConfigureAwait(false);
        try
        {
            return HubListing.Parse(json);
        }
        catch (FormatException exception)
        {
            throw new HubException(
                HubErrorKind.Malformed,
                $"{request}: expected a hub's description of a model from {options.Endpoint.Host}, found {exception.Message}",
                exception);
        }
    }

    /// <summary>Name and size of a file's content.</summary>
    public async Task<HubFile> DescribeAsync(HubRequest request, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(HttpMethod.Head, request, 0, cancellation).ConfigureAwait(false);
        string commit = HubResponse.Header(answer, "X-Repo-Commit") ?? request.Commit!;
        if (commit != request.Commit)
        {
            throw new HubException(
                HubErrorKind.Malformed,
                $"{request}: expected the commit {request.Commit} from {options.Endpoint.Host}, found another");
        }

        return HubFile.Of(answer, request)
            ?? throw new HubException(HubErrorKind.Malformed, $"{request}: expected an ETag from {options.Endpoint.Host}, found none");
    }

    /// <summary>A file's content from a byte on; the answer may be the whole content all the same (status 200).</summary>
    public Task<HttpResponseMessage> OpenAsync(HubRequest request, long from, CancellationToken cancellation) =>
        SendAsync(HttpMethod.Get, request, from, cancellation);

    /// <summary>Waits for the network; what goes wrong there, silence included, becomes one named failure.</summary>
    public async Task<T> UnstalledAsync<T>(HubRequest request, Func<CancellationToken, Task<T>> wait, CancellationToken cancellation)
    {
        using CancellationTokenSource stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stall.CancelAfter(options.StallTimeout);
        try
        {
            return await wait(stall.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellation.IsCancellationRequested)
        {
            throw new HubException(
                HubErrorKind.Unreachable,
                $"{request}: no answer for {options.StallTimeout.TotalSeconds:0.#} s",
                exception);
        }
        catch (HttpRequestException exception) when (exception.InnerException is AuthenticationException)
        {
            throw new HubException(
                HubErrorKind.Untrusted,
                $"{request}: the certificate of the server is not accepted: {exception.InnerException.Message}",
                exception);
        }
        catch (InvalidDataException exception)
        {
            throw new HubException(
                HubErrorKind.Damaged,
                $"{request}: expected content in the encoding that the server names, found other bytes",
                exception);
        }
        catch (HttpRequestException exception) when (exception.HttpRequestError == HttpRequestError.NameResolutionError)
        {
            throw new HubException(
                HubErrorKind.Unreachable,
                $"{request}: there is no host {options.Endpoint.Host} (is there a network?)",
                exception)
            {
                IsFinal = true,
            };
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new HubException(HubErrorKind.Unreachable, $"{request}: the connection failed: {exception.Message}", exception);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, HubRequest request, long from, CancellationToken cancellation)
    {
        Uri address = request.At(options.Endpoint);
        bool describes = method == HttpMethod.Head;
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            HttpResponseMessage answer = await SendOnceAsync(method, address, request, from, cancellation).ConfigureAwait(false);
            Uri? target = HubResponse.Target(answer, address);

            // A description is complete where the hub points at a content store; the store itself knows nothing of commits.
            if (answer.IsSuccessStatusCode || (target is not null && describes && HubResponse.Header(answer, "X-Linked-ETag") is not null))
            {
                return answer;
            }

            // Some mirrors know no HEAD; the headers of a GET say the same, and its body is not read.
            if (method == HttpMethod.Head && answer.StatusCode is HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented)
            {
                answer.Dispose();
                method = HttpMethod.Get;
                continue;
            }

            using (answer)
            {
                address = Allowed(target, address, request)
                    ?? throw HubResponse.Failure(
                        answer, request, address.Host, IsHub(address), IsHub(address) && options.Token is not null, options.Time);
            }
        }

        throw new HubException(HubErrorKind.Untrusted, $"{request}: expected at most {MostRedirects} redirects, found more");
    }

    private Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method,
        Uri address,
        HubRequest request,
        long from,
        CancellationToken cancellation) =>
        UnstalledAsync(request, async stop =>
        {
            using HttpRequestMessage message = new(method, address);
            message.Headers.UserAgent.Add(new ProductInfoHeaderValue("SnapViT", null));
            message.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
            message.Headers.Range = from > 0 ? new RangeHeaderValue(from, null) : null;
            message.Headers.Authorization = IsHub(address) && options.Token is string token
                ? new AuthenticationHeaderValue("Bearer", token)
                : null;
            return await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, stop).ConfigureAwait(false);
        }, cancellation);

    private static async Task<byte[]> ReadAsync(HttpResponseMessage answer, HubRequest request, CancellationToken stop)
    {
        Stream body = HubResponse.Decoded(answer, await answer.Content.ReadAsStreamAsync(stop).ConfigureAwait(false), request);
        await using (body.ConfigureAwait(false))
        {
            using MemoryStream read = new();
            byte[] buffer = new byte[1 << 16];
            while (await body.ReadAsync(buffer, stop).ConfigureAwait(false) is int count and > 0)
            {
                read.Write(buffer, 0, count);
                if (read.Length > LargestListing)
                {
                    throw new HubException(
                        HubErrorKind.Malformed,
                        $"{request}: expected a description of at most {LargestListing} bytes, found more");
                }
            }

            return read.ToArray();
        }
    }

    private bool IsHub(Uri address) =>
        Uri.Compare(address, options.Endpoint, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase)
            == 0;

    /// <summary>A redirect's target: over https, or over http where http is what was asked; null for no redirect.</summary>
    internal static Uri? Allowed(Uri? target, Uri from, HubRequest request) => target switch
    {
        null => null,
        { Scheme: "https" } => target,
        { Scheme: "http" } when from.Scheme == "http" => target,
        _ => throw new HubException(
            HubErrorKind.Untrusted,
            $"{request}: {from.Host} redirects to {target.Scheme}://{target.Host}, expected https"),
    };
}
