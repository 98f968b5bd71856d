namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>The type of the elements of an array in a pickle.</summary>
internal sealed record PickleElement(TensorType Type);

/// <summary>An array of numpy in a pickle: what it is, and where its content stands in the pickle.</summary>
/// <remarks>numpy/core/src/multiarray/methods.c, <c>array_reduce</c>: (version, shape, dtype, is_fortran, content).</remarks>
internal sealed class PickleArray
{
    /// <summary>Type of the elements.</summary>
    public TensorType Type { get; private set; }

    /// <summary>Its shape.</summary>
    public IReadOnlyList<long> Shape { get; private set; } = [];

    /// <summary>The byte of the pickle at which its content begins, row by row.</summary>
    public int Offset { get; private set; }

    /// <summary>Whether its content was given.</summary>
    public bool IsComplete { get; private set; }

    /// <summary><c>_reconstruct(ndarray, (0,), 'b')</c>: an array whose content follows.</summary>
    public static object? Reconstruct(PickleArguments arguments)
    {
        arguments.ExpectCount(3, 3);
        PickleGlobal type = arguments.Take<PickleGlobal>(0);
        return type is { Module: "numpy", Name: "ndarray" }
            ? new PickleArray()
            : throw arguments.Fault($"expected an array of numpy, found {type}");
    }

    /// <summary><c>dtype('u1', False, True)</c>: a type of numbers.</summary>
    public static object? Element(PickleArguments arguments)
    {
        arguments.ExpectCount(1, 3);
        string name = arguments.Take<string>(0);
        return new PickleElement(name switch
        {
            "u1" => TensorType.UInt8,
            "i1" => TensorType.Int8,
            "i2" => TensorType.Int16,
            "i4" => TensorType.Int32,
            "i8" => TensorType.Int64,
            "f4" => TensorType.Float32,
            "f8" => TensorType.Float64,
            _ => throw arguments.Fault($"expected a type of numbers, found {CheckpointFormatException.Quote(name)}"),
        });
    }

    /// <summary>Takes what the pickle says of it; content is taken where it stands.</summary>
    public void SetState(PickleCursor cursor, object? state)
    {
        if (IsComplete || state is not object?[] { Length: 5 } parts
            || parts[1] is not object?[] sizes || parts[2] is not PickleElement element || parts[3] is not false
            || parts[4] is not ReadOnlyMemory<byte> content || cursor.PlaceOf(content) is not int offset)
        {
            throw cursor.Fault("expected (version, shape, dtype, False, content) of an array, found another state");
        }

        if (sizes.Length > TensorEntry.MaxRank || !sizes.All(size => size is long))
        {
            throw cursor.Fault("expected the shape of an array, found other values");
        }

        long[] shape = [.. sizes.Cast<long>()];
        if (TensorEntry.Measure(element.Type, shape, out _, out long bytes) is string fault || bytes != content.Length)
        {
            throw cursor.Fault($"expected the content of an array [{string.Join(", ", shape)}], found {content.Length} bytes");
        }

        (Type, Shape, Offset, IsComplete) = (element.Type, shape, offset, true);
    }
}
