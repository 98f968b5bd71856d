using System.Diagnostics.Metrics;

namespace SnapViT.Server;

/// <summary>What is counted and timed. The names follow OpenTelemetry's conventions; Prometheus writes dots as underscores.</summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string MeterName = "SnapViT.Server";

    private static readonly double[] Seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
    private static readonly int[] Sizes = [1, 2, 4, 8, 16, 32, 64];

    private readonly Meter _meter = new(MeterName);
    private readonly Histogram<double> _requests;
    private readonly Histogram<double> _waits;
    private readonly Histogram<double> _passes;
    private readonly Histogram<int> _batches;
    private readonly Counter<long> _images;
    private readonly Counter<long> _shed;

    public ServerMetrics()
    {
        InstrumentAdvice<double> times = new() { HistogramBucketBoundaries = Seconds };
        _requests = _meter.CreateHistogram("snapvit.request.duration", "s", "From a request's headers to its answer.", advice: times);
        _waits = _meter.CreateHistogram("snapvit.queue.duration", "s", "How long prepared images waited.", advice: times);
        _passes = _meter.CreateHistogram("snapvit.forward.duration", "s", "Forward passes.", advice: times);
        InstrumentAdvice<int> counts = new() { HistogramBucketBoundaries = Sizes };
        _batches = _meter.CreateHistogram("snapvit.batch.size", "{image}", "Images of a forward pass.", advice: counts);
        _images = _meter.CreateCounter<long>("snapvit.images", "{image}", "Images that went through the model.");
        _shed = _meter.CreateCounter<long>("snapvit.shed", "{request}", "Requests that were refused because of load.");
    }

    /// <summary>Shows the numbers that are read when somebody looks.</summary>
    public void Watch(Func<int> queued, Func<long> held, Func<double> slowdown)
    {
        _meter.CreateObservableGauge("snapvit.queue.images", queued, "{image}", "Images that wait.");
        _meter.CreateObservableGauge("snapvit.body.held", held, "By", "Bytes of bodies in memory.");
        _meter.CreateObservableGauge("snapvit.slowdown", slowdown, "1", "Time of forward passes against the measurement at the start.");
    }

    public void Answered(string endpoint, int status, double seconds) =>
        _requests.Record(seconds, new("endpoint", endpoint), new("status", status));

    public void Waited(double seconds) => _waits.Record(seconds);

    public void Ran(string size, int images, double seconds)
    {
        KeyValuePair<string, object?> ofSize = new("size", size);
        _passes.Record(seconds, ofSize);
        _batches.Record(images, ofSize);
        _images.Add(images, ofSize);
    }

    public void Shed(string reason) => _shed.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Dispose() => _meter.Dispose();
}
