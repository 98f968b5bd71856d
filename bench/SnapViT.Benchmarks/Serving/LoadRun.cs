using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace SnapViT.Benchmarks.Serving;

/// <summary>What became of one request.</summary>
/// <param name="Status">The answer's status; 0 where none came.</param>
/// <param name="Milliseconds">From the moment at which it was due to its answer.</param>
/// <param name="Share">Share of the FLOPs that it was answered with.</param>
internal sealed record Answered(int Status, double Milliseconds, double Share);

/// <summary>What a time of load gave.</summary>
/// <param name="All">Every request.</param>
/// <param name="Seconds">How long requests came.</param>
/// <param name="Bytes">Memory of the server afterwards.</param>
internal sealed record LoadResult(IReadOnlyList<Answered> All, double Seconds, long Bytes)
{
    public int Sent => All.Count;

    public int Served => All.Count(one => one.Status == 200);

    public int Lost => All.Count(one => one.Status == 0);

    public double Milliseconds(double share, int status = 200)
    {
        double[] times = [.. All.Where(one => one.Status == status).Select(one => one.Milliseconds).Order()];
        return times.Length == 0 ? double.NaN : times[Math.Min(times.Length - 1, (int)(share * times.Length))];
    }

    public string Row(double load, string says, double capacity, double? deadline)
    {
        int shed = All.Count(one => one.Status == 429);
        string inTime = deadline is double most
            ? (All.Count(one => one.Status == 200 && one.Milliseconds <= most) / (double)Math.Max(1, Served)).ToString("P0", CultureInfo.InvariantCulture)
            : "";
        double kept = All.Where(one => one.Status == 200).Select(one => one.Share).DefaultIfEmpty().Average();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {load:0.0} | {says} | {capacity:0.0} | {Sent} | {Served} | {shed} | {Sent - Served - shed - Lost} | {Lost} | {Served / Seconds / capacity:0.00} | {Milliseconds(0.5):0} ms "
                + $"| {Milliseconds(0.99):0} ms | {(shed > 0 ? $"{Milliseconds(0.99, 429):0} ms" : "")} | {inTime} | {kept:P0} | {Bytes / 1e6:0} MB |\n");
    }
}

/// <summary>Sends photos to a server.</summary>
internal sealed class LoadRun(HttpClient client, byte[][] photos, Process server)
{
    private readonly ConcurrentDictionary<string, double> _shares = [];

    /// <summary>So many clients, each with the next request after its answer.</summary>
    public async Task<LoadResult> ClosedAsync(int clients, TimeSpan time, string query)
    {
        Stopwatch clock = Stopwatch.StartNew();
        int next = 0;
        Answered[][] found = await Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
        {
            List<Answered> mine = [];
            while (clock.Elapsed < time)
            {
                mine.Add(await SendAsync(Interlocked.Increment(ref next), query, Stopwatch.GetTimestamp()));
            }

            return mine.ToArray();
        }));
        return new LoadResult([.. found.SelectMany(mine => mine)], clock.Elapsed.TotalSeconds, Memory());
    }

    /// <summary>Requests at random moments, so many a second on average.</summary>
    public async Task<LoadResult> OpenAsync(double perSecond, TimeSpan time, string query, int seed)
    {
        Random random = new(seed);
        List<Task<Answered>> sent = [];
        Stopwatch clock = Stopwatch.StartNew();
        for (double due = 0; due < time.TotalSeconds; due += -Math.Log(1 - random.NextDouble()) / perSecond)
        {
            if (TimeSpan.FromSeconds(due) - clock.Elapsed is TimeSpan wait && wait > TimeSpan.Zero)
            {
                await Task.Delay(wait);
            }

            int number = sent.Count;
            sent.Add(Task.Run(() => SendAsync(number, query, Stopwatch.GetTimestamp())));
        }

        double seconds = clock.Elapsed.TotalSeconds;
        return new LoadResult(await Task.WhenAll(sent), seconds, Memory());
    }

    private async Task<Answered> SendAsync(int number, string query, long start)
    {
        try
        {
            using ByteArrayContent photo = new(photos[number % photos.Length]);
            photo.Headers.ContentType = new MediaTypeHeaderValue("image/jpeg");
            using HttpResponseMessage answer = await client.PostAsync($"/embed{query}", photo);
            byte[] body = await answer.Content.ReadAsByteArrayAsync();
            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            double share = answer.StatusCode == HttpStatusCode.OK ? await ShareAsync(body) : 0;
            return new Answered((int)answer.StatusCode, milliseconds, share);
        }
        catch (Exception lost) when (lost is HttpRequestException or OperationCanceledException or IOException)
        {
            return new Answered(0, Stopwatch.GetElapsedTime(start).TotalMilliseconds, 0);
        }
    }

    private async Task<double> ShareAsync(byte[] body)
    {
        using JsonDocument answer = JsonDocument.Parse(body);
        string size = answer.RootElement.GetProperty("budget").GetString()!;
        if (_shares.IsEmpty)
        {
            using JsonDocument budgets = JsonDocument.Parse(await client.GetStringAsync("/budgets"));
            foreach (JsonElement one in budgets.RootElement.GetProperty("sizes").EnumerateArray())
            {
                _shares[one.GetProperty("name").GetString()!] = one.GetProperty("flops_share").GetDouble();
            }
        }

        return _shares[size];
    }

    private long Memory()
    {
        server.Refresh();
        return server.WorkingSet64;
    }
}
