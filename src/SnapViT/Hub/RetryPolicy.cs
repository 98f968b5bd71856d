namespace SnapViT.Hub;

/// <summary>Tries again after failures that may pass, at the waits of the options or as long as the hub asks.</summary>
internal sealed class RetryPolicy(HubOptions options)
{
    public async Task<T> RunAsync<T>(Func<Task<T>> attempt, CancellationToken cancellation)
    {
        for (int failures = 0; ; failures++)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (HubException exception) when (exception.MayPass && exception.RetryAfter <= options.LongestWait)
            {
                failures = exception.AfterProgress ? 0 : failures;
                if (failures >= options.RetryDelays.Count)
                {
                    throw;
                }

                TimeSpan wait = options.RetryDelays[failures];
                await Task.Delay(wait > exception.RetryAfter ? wait : exception.RetryAfter, options.Time, cancellation)
                    .ConfigureAwait(false);
            }
        }
    }
}
