namespace SnapViT.Core.Checkpoints;

/// <summary>What a file says about one of its tensors: everything but the values.</summary>
internal sealed class TensorEntry
{
    /// <summary>Most dimensions a tensor may have; more is taken for a damaged file.</summary>
    public const int MaxRank = 64;

    /// <summary>Their bits are still counted by a 64-bit integer.</summary>
    private const long MaxElements = long.MaxValue / 64;

    /// <summary>Describes a tensor; takes a copy of the shape.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="type">Type of its elements.</param>
    /// <param name="shape">Size of every dimension, slowest first; empty for a scalar.</param>
    /// <exception cref="ArgumentException">
    /// A size is negative, there are more than <see cref="MaxRank"/>, the product is beyond 2^57, or the elements are no whole number of
    /// bytes.
    /// </exception>
    public TensorEntry(string name, TensorType type, IEnumerable<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(shape);
        long[] sizes = [.. shape];
        if (Measure(type, sizes, out long elements, out long bytes) is { } fault)
        {
            throw new ArgumentException($"tensor {CheckpointFormatException.Quote(name)}: {fault}", nameof(shape));
        }

        (Name, Type, Shape, ElementCount, ByteLength) = (name, type, sizes.AsReadOnly(), elements, bytes);
    }

    /// <summary>Its name in the file.</summary>
    public string Name { get; }

    /// <summary>Type of its elements.</summary>
    public TensorType Type { get; }

    /// <summary>Size of every dimension, slowest first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Product of the shape; 1 for a scalar.</summary>
    public long ElementCount { get; }

    /// <summary>Bytes of all elements.</summary>
    public long ByteLength { get; }

    /// <summary>Name, type and shape, for example <c>head.weight F32[10, 48]</c>.</summary>
    public override string ToString() => $"{Name} {Type.SafetensorsName()}[{string.Join(", ", Shape)}]";

    /// <summary>Counts elements and bytes without ever overflowing.</summary>
    /// <returns>What is wrong with the shape, or null.</returns>
    internal static string? Measure(TensorType type, ReadOnlySpan<long> shape, out long elements, out long bytes)
    {
        (elements, bytes) = (1, 0);
        if (shape.Length > MaxRank)
        {
            return $"expected at most {MaxRank} dimensions, found {shape.Length}";
        }

        foreach (long size in shape)
        {
            if (size < 0)
            {
                return $"expected a shape without negative sizes, found [{string.Join(", ", shape.ToArray())}]";
            }

            if (size > 0 && elements > MaxElements / size)
            {
                return $"shape [{string.Join(", ", shape.ToArray())}] has more elements than 63 bits can address";
            }

            elements *= size;
        }

        long bits = elements * type.BitsPerElement();
        bytes = bits / 8;
        return bits % 8 == 0 ? null : $"{elements} elements of {type.SafetensorsName()} are no whole number of bytes";
    }
}
