using System.Text;

namespace SnapViT.Cli;

/// <summary>
/// Standard output or standard error, that may be closed: who closes one does not want to read it, and the work goes on. Other faults, such
/// as a full disk, concern standard output only; progress and errors that cannot be shown are no reason to stop.
/// </summary>
internal sealed class StandardStream(TextWriter inner, bool isResult) : TextWriter
{
    private bool _isClosed;

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    private void Try(Action write)
    {
        if (_isClosed)
        {
            return;
        }

        try
        {
            write();
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or ObjectDisposedException
            || (exception is IOException && !isResult))
        {
            // A closed one: its number belongs to nothing, or to something of the runtime's that cannot be written.
            _isClosed = true;
        }
        catch (IOException exception)
        {
            _isClosed = true;
            throw new IOException($"standard output: {exception.Message}", exception);
        }
    }
}
