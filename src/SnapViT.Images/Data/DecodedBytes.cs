namespace SnapViT.Data;

/// <summary>
/// How many bytes of decoded pixels exist at once: who wants more waits until others are done. One image may always be decoded, however
/// large it is.
/// </summary>
/// <param name="most">The most bytes of all images together.</param>
internal sealed class DecodedBytes(long most)
{
    /// <summary>The limit of a reader: more than the largest image, less than any machine has for it.</summary>
    public const long Most = 1 << 30;

    private readonly object _lock = new();
    private long _taken;

    /// <summary>Bytes that are taken now.</summary>
    public long Taken
    {
        get
        {
            lock (_lock)
            {
                return _taken;
            }
        }
    }

    /// <summary>The bytes of one image: none yet; they are given back when it is disposed.</summary>
    public Lease Lend() => new(this);

    /// <summary>The bytes of one image.</summary>
    public sealed class Lease(DecodedBytes owner) : IDisposable
    {
        private long _bytes;

        /// <summary>Takes bytes, once; waits until they are free.</summary>
        public void Take(long bytes)
        {
            owner.Take(bytes);
            _bytes = bytes;
        }

        /// <summary>Gives them back.</summary>
        public void Dispose()
        {
            owner.Return(_bytes);
            _bytes = 0;
        }
    }

    private void Take(long bytes)
    {
        lock (_lock)
        {
            while (_taken > 0 && _taken + bytes > most)
            {
                Monitor.Wait(_lock);
            }

            _taken += bytes;
        }
    }

    private void Return(long bytes)
    {
        lock (_lock)
        {
            _taken -= bytes;
            Monitor.PulseAll(_lock);
        }
    }
}
