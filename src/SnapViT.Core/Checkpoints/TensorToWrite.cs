using System.Buffers.Binary;

namespace SnapViT.Core.Checkpoints;

/// <summary>One tensor on its way into a file: its description and where its bytes come from.</summary>
internal sealed class TensorToWrite
{
    private const int ChunkElements = 8192;

    private delegate void ToBytes<T>(Span<byte> destination, T value);

    /// <summary>Describes a tensor whose bytes are produced when the file is written.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="type">Type of its elements.</param>
    /// <param name="shape">Size of every dimension, slowest first; empty for a scalar.</param>
    /// <param name="write">
    /// Writes the elements to a stream, row-major and little-endian: exactly as many bytes as type and shape say.
    /// </param>
    /// <exception cref="ArgumentException">The shape is impossible.</exception>
    public TensorToWrite(string name, TensorType type, IEnumerable<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        Entry = new TensorEntry(name, type, shape);
        Write = write;
    }

    /// <summary>Name, type and shape.</summary>
    public TensorEntry Entry { get; }

    /// <summary>Writes the elements.</summary>
    public Action<Stream> Write { get; }

    /// <summary>The elements as they would be written.</summary>
    internal byte[] AllBytes()
    {
        using MemoryStream stream = new(checked((int)Entry.ByteLength));
        Write(stream);
        return stream.ToArray();
    }

    /// <summary>A tensor of singles; the values are not copied.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="shape">Size of every dimension, slowest first.</param>
    /// <exception cref="ArgumentException">The shape does not have as many elements as there are values.</exception>
    internal static TensorToWrite From(string name, ReadOnlyMemory<float> values, params IEnumerable<long> shape) =>
        From(name, TensorType.Float32, values, shape, BinaryPrimitives.WriteSingleLittleEndian);

    /// <summary>A tensor of doubles; the values are not copied.</summary>
    /// <inheritdoc cref="From(string, ReadOnlyMemory{float}, IEnumerable{long})"/>
    internal static TensorToWrite From(string name, ReadOnlyMemory<double> values, params IEnumerable<long> shape) =>
        From(name, TensorType.Float64, values, shape, BinaryPrimitives.WriteDoubleLittleEndian);

    /// <summary>A tensor of 64-bit integers; the values are not copied.</summary>
    /// <inheritdoc cref="From(string, ReadOnlyMemory{float}, IEnumerable{long})"/>
    internal static TensorToWrite From(string name, ReadOnlyMemory<long> values, params IEnumerable<long> shape) =>
        From(name, TensorType.Int64, values, shape, BinaryPrimitives.WriteInt64LittleEndian);

    private static TensorToWrite From<T>(
        string name, TensorType type, ReadOnlyMemory<T> values, IEnumerable<long> shape, ToBytes<T> toBytes)
    {
        TensorToWrite tensor = new(name, type, shape, stream => WriteChunks(stream, values.Span, type.BitsPerElement() / 8, toBytes));
        return tensor.Entry.ElementCount == values.Length
            ? tensor
            : throw new ArgumentException(
                $"expected {tensor.Entry.ElementCount} values for {tensor.Entry}, found {values.Length}", nameof(values));
    }

    private static void WriteChunks<T>(Stream stream, ReadOnlySpan<T> values, int size, ToBytes<T> toBytes)
    {
        byte[] chunk = new byte[Math.Min(values.Length, ChunkElements) * size];
        while (!values.IsEmpty)
        {
            int count = Math.Min(values.Length, ChunkElements);
            for (int i = 0; i < count; i++)
            {
                toBytes(chunk.AsSpan(i * size, size), values[i]);
            }

            stream.Write(chunk, 0, count * size);
            values = values[count..];
        }
    }
}
