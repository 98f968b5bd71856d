using SnapViT.Core.Errors;
using SnapViT.Workflows;

namespace SnapViT.Hub;

/// <summary>
/// Fetches models by name from a hub into the cache that all its clients share. What is there already is not fetched again; what was cut
/// off is continued; nothing has its final name before it is complete and its hash is right.
/// </summary>
public sealed class HubClient : IDisposable
{
    private readonly HubOptions _options;
    private readonly HubConnection _connection;
    private readonly RetryPolicy _retries;

    /// <summary>Makes a client; nothing is contacted yet.</summary>
    /// <exception cref="SnapViTException">An option is out of its range.</exception>
    public HubClient(HubOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Validated();
        _connection = new HubConnection(_options);
        _retries = new RetryPolicy(_options);
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _connection.Dispose();

    /// <summary>
    /// Makes sure that a model is in the cache: its weights (<c>model.safetensors</c>; else <c>model.safetensors.index.json</c> with its
    /// shards; else <c>open_clip_*.safetensors</c>; else <c>pytorch_model.bin</c>; else <c>pytorch_model.bin.index.json</c> with its
    /// shards; else <c>open_clip_pytorch_model.bin</c>), and <c>config.json</c>, <c>open_clip_config.json</c>,
    /// <c>preprocessor_config.json</c> and <c>processor_config.json</c> where the model has them. A branch is looked up at the hub on every
    /// call. If the lookup fails, a complete copy in the cache is used, unless the revision does not exist or the server is not trusted. A
    /// commit that is complete in the cache needs no network.
    /// </summary>
    /// <param name="name">The model and its revision.</param>
    /// <param name="progress">Bytes done per file; null for none.</param>
    /// <param name="cancellation">Stops; what has arrived is kept and continued by the next fetch.</param>
    /// <returns>The path of the weights or of the index; the other files lie in the same folder.</returns>
    /// <exception cref="HubException">The model cannot be had; <see cref="HubException.Fault"/> says why.</exception>
    /// <exception cref="IOException">The disk refuses the bytes.</exception>
    /// <exception cref="UnauthorizedAccessException">The cache may not be written.</exception>
    public async Task<string> FetchAsync(
        HubModelName name,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        HubCache cache = new(_options.CacheFolder, name);
        if (_options.Offline)
        {
            return cache.Find(name.Revision)
                ?? throw new HubException(
                    HubErrorKind.Offline,
                    $"{name}: expected it in the cache {_options.CacheFolder} since the hub is set offline "
                        + "(HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE), found no complete copy");
        }

        return (HubModelName.IsCommit(name.Revision)
                ? await cache.FindCompleteAsync(name.Revision, cancellation).ConfigureAwait(false)
                : null)
            ?? await FetchOnlineAsync(name, cache, progress, cancellation).ConfigureAwait(false);
    }

    private async Task<string> FetchOnlineAsync(
        HubModelName name,
        HubCache cache,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellation)
    {
        HubListing listing;
        try
        {
            listing = await _retries.RunAsync(() => _connection.ListAsync(name, cancellation), cancellation).ConfigureAwait(false);
        }
        catch (HubException exception)
            when (exception.Fault is not (HubErrorKind.RevisionNotFound or HubErrorKind.Untrusted)
                && cache.Find(name.Revision) is not null)
        {
            progress?.Report(new WorkProgress($"fetching {name}", 1, 1, $"the copy in the cache is used: {exception.Message}"));
            return cache.Find(name.Revision)!;
        }

        string weights = ModelFiles.Weights(listing.Files)
            ?? throw new HubException(HubErrorKind.FileNotFound, $"{name}: expected {ModelFiles.Forms}, found none of them");

        // Descriptions first and the branch's pointer last: where weights are, the rest is, and an interrupted update leaves the old copy
        // usable.
        foreach (string description in ModelFiles.Descriptions.Except(listing.Files))
        {
            cache.RememberAbsence(listing.Commit, description);
        }

        foreach (string file in ModelFiles.Descriptions.Intersect(listing.Files).Append(weights))
        {
            await FetchFileAsync(new HubRequest(name, listing.Commit, file), cache, progress, cancellation).ConfigureAwait(false);
        }

        string path = cache.Pointer(listing.Commit, weights);
        foreach (string shard in ModelFiles.IsIndex(weights) ? ShardIndex.Shards(path) : [])
        {
            await FetchFileAsync(new HubRequest(name, listing.Commit, shard), cache, progress, cancellation).ConfigureAwait(false);
        }

        cache.Remember(name.Revision, listing.Commit);
        return path;
    }

    private async Task FetchFileAsync(HubRequest request, HubCache cache, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        string pointer = cache.Pointer(request.Commit!, request.File!);
        if (await HubCache.IsSoundAsync(pointer, cancellation).ConfigureAwait(false))
        {
            return;
        }

        HubFile file = await _retries.RunAsync(() => _connection.DescribeAsync(request, cancellation), cancellation).ConfigureAwait(false);
        try
        {
            using IDisposable held = await FileLock.AcquireAsync(cache.Lock(file.BlobName), cancellation).ConfigureAwait(false);

            // Another process may have brought it, and without links its snapshot holds the content itself.
            if (!await HubCache.IsSoundAsync(pointer, cancellation).ConfigureAwait(false))
            {
                await new HubDownload(_connection, _retries, progress)
                    .FetchAsync(request, file, cache.Blob(file.BlobName), cancellation).ConfigureAwait(false);
                cache.Link(request.Commit!, request.File!, file.BlobName);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            string message =
                $"{request}: expected it in the cache {_options.CacheFolder} or a cache that can be written, "
                    + $"found neither: {exception.Message}";
            throw exception is IOException ? new IOException(message, exception) : new UnauthorizedAccessException(message, exception);
        }
    }
}
