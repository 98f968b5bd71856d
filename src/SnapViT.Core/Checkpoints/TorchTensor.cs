using SnapViT.Core.Checkpoints.Pickle;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// A tensor in the tree of a PyTorch file: a checked view of one of the file's storages. Its values are read by name from the archive.
/// </summary>
internal sealed class TorchTensor
{
    private TorchTensor(TensorType type, IReadOnlyList<long> shape, TorchStorage storage, long begin, IReadOnlyList<long> strides)
    {
        (Type, Shape, Storage, Begin, Strides) = (type, shape, storage, begin, strides);
    }

    /// <summary>Type of its elements.</summary>
    public TensorType Type { get; }

    /// <summary>Size of every dimension, slowest first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The storage it looks into.</summary>
    internal TorchStorage Storage { get; }

    /// <summary>Its first element, counted from the begin of the storage.</summary>
    internal long Begin { get; }

    /// <summary>Elements from one index to the next, for every dimension.</summary>
    internal IReadOnlyList<long> Strides { get; }

    /// <summary>Elements of the storage from its first to its last element, both included; 0 when it has none.</summary>
    internal long Span => Shape.Contains(0) ? 0 : 1 + Shape.Zip(Strides, (size, stride) => (size - 1) * stride).Sum();

    /// <summary>Whether its elements stand in the storage in their own order without gaps.</summary>
    internal bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int i = Shape.Count - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected)
                {
                    return Shape.Contains(0);
                }

                expected *= Shape[i];
            }

            return true;
        }
    }

    /// <summary>Makes a view that provably stays inside its storage and uses no element twice.</summary>
    /// <returns>What is wrong with it, or null and the view.</returns>
    internal static string? Create(TensorType type, TorchStorage storage, long begin, long[] shape, long[] strides, out TorchTensor? tensor)
    {
        tensor = null;
        if (TensorEntry.Measure(type, shape, out long elements, out _) is { } fault)
        {
            return fault;
        }

        if (shape.Length != strides.Length)
        {
            return $"expected as many strides as sizes, found {strides.Length} and {shape.Length}";
        }

        long available = storage.ByteLength / (type.BitsPerElement() / 8);
        if (begin < 0 || begin > available)
        {
            return $"expected an offset of 0 to {available} elements, found {begin}";
        }

        if (elements > 0 && CheckStrides(shape, strides, available - begin) is { } wrong)
        {
            return wrong;
        }

        tensor = new TorchTensor(type, Array.AsReadOnly(shape), storage, begin, Array.AsReadOnly(strides));
        return null;
    }

    /// <summary>Sorted by stride, every dimension must step over all that the faster ones cover.</summary>
    private static string? CheckStrides(long[] shape, long[] strides, long available)
    {
        long covered = 1;
        foreach ((long size, long stride) in shape.Zip(strides)
            .Where(dimension => dimension.First > 1)
            .OrderBy(dimension => dimension.Second))
        {
            if (stride < covered)
            {
                return $"strides [{string.Join(", ", strides)}] of shape [{string.Join(", ", shape)}] use elements twice";
            }

            if (stride > (available - covered) / (size - 1))
            {
                return $"strides [{string.Join(", ", strides)}] of shape [{string.Join(", ", shape)}] "
                    + $"leave the {available} elements of the storage";
            }

            covered += (size - 1) * stride;
        }

        return covered <= available ? null : $"expected at least {covered} elements in the storage, found {available}";
    }
}

/// <summary>A member of a Python enumeration in a PyTorch file. Newer Pythons store its name, older ones its value.</summary>
/// <param name="Module">The module of the class, for example <c>src.models.enums</c>.</param>
/// <param name="Class">The class, for example <c>ModelType</c>.</param>
/// <param name="Key">The value (a string or a long) or the name of the member.</param>
/// <param name="IsName">Whether <paramref name="Key"/> is the member's name.</param>
internal sealed record TorchEnumMember(string Module, string Class, object Key, bool IsName = false);

/// <summary>
/// An object of a Python class that means nothing here, such as a NumPy number, a path or a date: its class is known, and it was never
/// made.
/// </summary>
/// <param name="Class">The class with its module, or the function that would make the object.</param>
internal sealed record TorchObject(string Class);
