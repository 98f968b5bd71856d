namespace SnapViT.Tests;

/// <summary>A clock that is set by hand.</summary>
internal sealed class SetClock : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _now;

    public void Pass(double seconds) => _now += (long)(seconds * TimeSpan.TicksPerSecond);
}
