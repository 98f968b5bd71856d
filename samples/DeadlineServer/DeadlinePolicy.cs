namespace SnapViT.Samples.DeadlineServer;

/// <summary>Which budget serves the next request.</summary>
internal static class DeadlinePolicy
{
    /// <summary>
    /// The largest budget with which all that wait now can be served in time one after another: the k-th of them may take its time left
    /// divided by k. Where not even the smallest fits, the smallest.
    /// </summary>
    /// <param name="seconds">Seconds of one request at every budget, the largest first.</param>
    /// <param name="now">The present, in seconds.</param>
    /// <param name="deadlines">Deadlines of the requests that wait, at least one, in the order in which they are served.</param>
    /// <returns>Index of the budget.</returns>
    public static int Choose(IReadOnlyList<double> seconds, double now, IEnumerable<double> deadlines)
    {
        double share = deadlines.Select((deadline, index) => (deadline - now) / (index + 1)).Min();
        int largest = 0;
        while (largest < seconds.Count - 1 && seconds[largest] > share)
        {
            largest++;
        }

        return largest;
    }
}
