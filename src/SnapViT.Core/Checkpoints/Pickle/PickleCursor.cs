using System.Runtime.InteropServices;
using System.Text;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>Reads the bytes of a pickle one after the other and never beyond them; faults name the place.</summary>
internal sealed class PickleCursor(string path, byte[] pickle, string entry = "data.pkl, ")
{
    /// <summary>The longest name of a module or of what it holds.</summary>
    public const int LongestLine = 512;

    /// <summary>
    /// The most values and characters that may be looked at beyond the instructions themselves. Files of training with 5,000 tensors need
    /// a hundredth of it; short pickles that recall long values can ask for any number.
    /// </summary>
    private const int MaxWork = 1 << 24;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private int _opcodeAt;
    private int _at;
    private long _copied;
    private long _work;

    public bool AtEnd => _at == pickle.Length;

    /// <summary>A fault of the current instruction.</summary>
    public CheckpointFormatException Fault(string fault, Exception? cause = null) =>
        new(path, $"{entry}byte {_opcodeAt}: {fault}", innerException: cause);

    /// <summary>The next instruction.</summary>
    public byte NextOpcode()
    {
        _opcodeAt = _at;
        return Take(1)[0];
    }

    public ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)(pickle.Length - _at))
        {
            throw Fault($"expected {count} more bytes, found {pickle.Length - _at}: cut off or damaged");
        }

        ReadOnlySpan<byte> taken = pickle.AsSpan(_at, (int)count);
        _at += (int)count;
        return taken;
    }

    /// <summary>The next bytes where they stand, not copied.</summary>
    public ReadOnlyMemory<byte> TakeMemory(ulong count)
    {
        int at = _at;
        return pickle.AsMemory(at, Take(count).Length);
    }

    /// <summary>Where bytes of <see cref="TakeMemory"/> stand in the pickle; null for bytes from elsewhere.</summary>
    public int? PlaceOf(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> part) && part.Array == pickle ? part.Offset : null;

    public string TakeText(ulong byteCount) => Decode(Take(byteCount));

    /// <summary>Text up to the next line feed.</summary>
    public string TakeLine()
    {
        int length = pickle.AsSpan(_at, Math.Min(LongestLine, pickle.Length - _at)).IndexOf((byte)'\n');
        if (length < 0)
        {
            throw Fault($"expected a line of at most {LongestLine} bytes, found no end of it");
        }

        string line = Decode(Take((ulong)length));
        _at++;
        return line;
    }

    /// <summary>Counts bytes that are made out of values of the pickle; honest pickles make none of them twice.</summary>
    public void ChargeCopy(long bytes)
    {
        _copied += bytes;
        if (_copied > pickle.Length)
        {
            throw Fault($"expected byte strings of at most {pickle.Length} bytes in a pickle of that size, found more");
        }
    }

    /// <summary>Counts values and characters that an instruction looks at again, however often they were recalled.</summary>
    public void ChargeWork(long count)
    {
        _work += count;
        if (_work > MaxWork)
        {
            throw Fault($"expected at most {MaxWork} values to look at in calls, keys and objects, found more");
        }
    }

    private string Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw Fault("expected text in UTF-8, found invalid bytes", exception);
        }
    }
}
