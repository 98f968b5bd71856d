using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace SnapViT.Core.Checkpoints;

/// <summary>Reads whole tensors as arrays, converting between number types.</summary>
internal static class TensorArchiveExtensions
{
    private delegate T FromBytes<T>(ReadOnlySpan<byte> element);

    /// <summary>
    /// Reads a tensor of floats (16, 32 or 64 bits) or integers as doubles, row-major. 64-bit integers beyond 2^53 are rounded.
    /// </summary>
    /// <param name="archive">The open file.</param>
    /// <param name="name">A key of <see cref="ITensorArchive.Tensors"/>.</param>
    /// <exception cref="KeyNotFoundException">The file has no such tensor.</exception>
    /// <exception cref="CheckpointFormatException">The tensor is of another kind, or longer than an array can be.</exception>
    /// <exception cref="IOException">The disk fails.</exception>
    public static double[] ReadDoubles(this ITensorArchive archive, string name) => archive.ReadAll(name, Double, TensorType.Float64);

    /// <summary>
    /// Reads a tensor of floats (16, 32 or 64 bits) or integers as singles, row-major. Values that need more than 24 bits are rounded.
    /// </summary>
    /// <inheritdoc cref="ReadDoubles"/>
    public static float[] ReadFloats(this ITensorArchive archive, string name) =>
        archive.ReadAll<float>(name, type => Double(type) is { } read ? element => (float)read(element) : null, TensorType.Float32);

    /// <summary>Reads a tensor of integers or booleans (0 and 1) as 64-bit integers, row-major.</summary>
    /// <inheritdoc cref="ReadDoubles"/>
    public static long[] ReadLongs(this ITensorArchive archive, string name) => archive.ReadAll(name, Long, TensorType.Int64);

    /// <summary>The tensor of a name, and a destination that fits it.</summary>
    internal static TensorEntry Require(this ITensorArchive archive, string name, long destinationLength)
    {
        TensorEntry tensor = archive.Require(name);
        return tensor.ByteLength == destinationLength
            ? tensor
            : throw new ArgumentException(
                $"{archive.Path}: tensor {CheckpointFormatException.Quote(name)}: "
                + $"expected a destination of {tensor.ByteLength} bytes, found {destinationLength}",
                nameof(destinationLength));
    }

    private static TensorEntry Require(this ITensorArchive archive, string name)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(name);
        return archive.Tensors.TryGetValue(name, out TensorEntry? tensor)
            ? tensor
            : throw new KeyNotFoundException(
                $"{archive.Path}: there is no tensor {CheckpointFormatException.Quote(name)} among {archive.Tensors.Count}");
    }

    private static T[] ReadAll<T>(this ITensorArchive archive, string name, Func<TensorType, FromBytes<T>?> conversion, TensorType own)
        where T : unmanaged
    {
        TensorEntry tensor = archive.Require(name);
        FromBytes<T> convert = conversion(tensor.Type)
            ?? throw new CheckpointFormatException(archive.Path, $"{tensor.Type} cannot be read as {typeof(T).Name} values", name);
        if (tensor.ByteLength > Array.MaxLength)
        {
            throw new CheckpointFormatException(
                archive.Path, $"expected at most {Array.MaxLength} bytes to fit an array, found {tensor.ByteLength}", name);
        }

        T[] values = new T[tensor.ElementCount];
        if (tensor.Type == own && BitConverter.IsLittleEndian)
        {
            archive.Read(name, MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }

        byte[] bytes = new byte[tensor.ByteLength];
        archive.Read(name, bytes);
        int size = tensor.Type.BitsPerElement() / 8;
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = convert(bytes.AsSpan(i * size, size));
        }

        return values;
    }

    private static FromBytes<double>? Double(TensorType type) => type switch
    {
        TensorType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian,
        TensorType.Float32 => element => BinaryPrimitives.ReadSingleLittleEndian(element),
        TensorType.Float16 => element => (double)BinaryPrimitives.ReadHalfLittleEndian(element),
        TensorType.BFloat16 => element => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt16LittleEndian(element) << 16),
        TensorType.UInt64 => element => BinaryPrimitives.ReadUInt64LittleEndian(element),
        TensorType.Bool => null,
        _ => Long(type) is { } read ? element => read(element) : null,
    };

    private static FromBytes<long>? Long(TensorType type) => type switch
    {
        TensorType.Int64 => BinaryPrimitives.ReadInt64LittleEndian,
        TensorType.Int32 => element => BinaryPrimitives.ReadInt32LittleEndian(element),
        TensorType.Int16 => element => BinaryPrimitives.ReadInt16LittleEndian(element),
        TensorType.Int8 => element => (sbyte)element[0],
        TensorType.UInt32 => element => BinaryPrimitives.ReadUInt32LittleEndian(element),
        TensorType.UInt16 => element => BinaryPrimitives.ReadUInt16LittleEndian(element),
        TensorType.UInt8 => element => element[0],
        TensorType.Bool => element => element[0] == 0 ? 0 : 1,
        _ => null,
    };
}
