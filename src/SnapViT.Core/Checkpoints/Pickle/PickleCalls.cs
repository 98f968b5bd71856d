using System.Text;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>What the allowed names give when a pickle calls them: values, never effects.</summary>
internal static class PickleCalls
{
    private const int LongestDevice = 32;
    private const int DeepestTuple = 4;

    /// <summary>A pair is looked into, copied and kept.</summary>
    private const int WorkPerPair = 4;

    /// <summary>A dimension is copied, sorted and kept.</summary>
    private const int WorkPerDimension = 8;

    public static object? Dictionary(PickleArguments arguments)
    {
        arguments.ExpectCount(0, 1);
        PickleDictionary dictionary = new(arguments.Callee);
        List<object?> pairs = arguments.Count == 0 ? [] : arguments.Take<List<object?>>(0);
        arguments.Cursor.ChargeWork(pairs.Count * (long)WorkPerPair);
        dictionary.Items.EnsureCapacity(pairs.Count);
        foreach (object? pair in pairs)
        {
            (object? key, object? value) = pair switch
            {
                object?[] { Length: 2 } tuple => (tuple[0], tuple[1]),
                List<object?> { Count: 2 } list => (list[0], list[1]),
                _ => throw arguments.Fault("expected pairs of a key and a value"),
            };
            dictionary.Items.Add(new(key, value));
        }

        return dictionary;
    }

    /// <summary><c>set(items)</c>: the items themselves, not a copy.</summary>
    public static object? Set(PickleArguments arguments)
    {
        arguments.ExpectCount(0, 1);
        return arguments.Count == 0 ? new List<object?>()
            : arguments[0] is object?[] tuple ? tuple
            : arguments.Take<List<object?>>(0);
    }

    /// <summary>
    /// <c>encode(text, 'latin1')</c> and <c>bytearray(text, 'latin-1')</c>: how protocol 2 writes bytes. Empty bytes have no arguments.
    /// </summary>
    public static object? Bytes(PickleArguments arguments)
    {
        arguments.ExpectCount(0, 2);
        if (arguments.Count == 0)
        {
            return ReadOnlyMemory<byte>.Empty;
        }

        if (arguments is [ReadOnlyMemory<byte> bytes])
        {
            return bytes;
        }

        arguments.ExpectCount(2, 2);
        string text = arguments.Take<string>(0);
        if (arguments.Take<string>(1) is not ("latin1" or "latin-1") || text.Any(c => c > byte.MaxValue))
        {
            throw arguments.Fault("expected bytes written as latin1 text");
        }

        arguments.Cursor.ChargeCopy(text.Length);
        return new ReadOnlyMemory<byte>(Encoding.Latin1.GetBytes(text));
    }

    public static object? Size(PickleArguments arguments)
    {
        arguments.ExpectCount(1, 1);
        arguments.TakeSizes(0);
        return arguments[0];
    }

    /// <summary><c>device('cuda', 1)</c> is the text <c>cuda:1</c>.</summary>
    public static object? Device(PickleArguments arguments)
    {
        arguments.ExpectCount(1, 2);
        string kind = arguments.Take<string>(0);
        if (kind.Length > LongestDevice)
        {
            throw arguments.Fault($"expected the name of a device, found {CheckpointFormatException.Quote(kind)}");
        }

        return arguments.Count == 1 ? kind : $"{kind}:{arguments.Take<long>(1)}";
    }

    public static object? EnumByValue(PickleArguments arguments)
    {
        arguments.ExpectCount(1, 1);
        object key = arguments[0] is long number ? number : arguments.Take<string>(0);
        return new TorchEnumMember(arguments.Callee.Module, arguments.Callee.Name, key);
    }

    /// <summary><c>getattr(Class, 'MEMBER')</c>, for enumerations only: how Python 3.11 writes a member.</summary>
    public static object? EnumByName(PickleArguments arguments)
    {
        arguments.ExpectCount(2, 2);
        PickleGlobal type = arguments.Take<PickleGlobal>(0);
        string member = arguments.Take<string>(1);
        return type.IsUnknown ? new PickleObject(type)
            : type.IsEnum && !member.StartsWith('_') ? new TorchEnumMember(type.Module, type.Name, member, IsName: true)
            : throw arguments.Fault($"refused {CheckpointFormatException.Quote(member)} of {type}: only members of enumerations are read");
    }

    /// <summary><c>(storage, offset, size, stride, requires_grad, hooks, metadata)</c>.</summary>
    public static object? Tensor(PickleArguments arguments)
    {
        arguments.ExpectCount(4, 7);
        TorchStorage storage = arguments.Take<TorchStorage>(0);
        return Tensor(arguments, storage, storage.Type ?? throw arguments.Fault("expected a storage with a type, found an untyped one"));
    }

    /// <summary><c>(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)</c>.</summary>
    public static object? TensorOfUntypedStorage(PickleArguments arguments)
    {
        arguments.ExpectCount(7, 8);
        PickleGlobal dtype = arguments.Take<PickleGlobal>(6);
        TensorType type = dtype is { IsStorage: false, Type: { } known }
            ? known
            : throw arguments.Fault($"expected a dtype, found {dtype}");
        return Tensor(arguments, arguments.Take<TorchStorage>(0), type);
    }

    /// <summary><c>(tensor, requires_grad, hooks)</c>: the tensor.</summary>
    public static object? Parameter(PickleArguments arguments)
    {
        arguments.ExpectCount(3, 3);
        return arguments.Take<TorchTensor>(0);
    }

    /// <summary>
    /// <c>(function, class, arguments, state)</c>: a tensor of a class of its own, which is the tensor that the function gives.
    /// </summary>
    public static object? TensorOfClass(PickleArguments arguments)
    {
        arguments.ExpectCount(4, 4);
        PickleGlobal function = arguments.Take<PickleGlobal>(0);
        object?[] inner = arguments.Take<object?[]>(2);
        Func<PickleArguments, object?>? call = function.Call == TensorOfClass ? null : function.Call;
        return call?.Invoke(new PickleArguments(arguments.Cursor, function, inner)) as TorchTensor
            ?? throw arguments.Fault($"expected a function that makes a tensor, found {function}");
    }

    /// <summary>What an unknown function is given tells whether a tensor needs it, which then cannot be had.</summary>
    public static PickleObject Unknown(PickleCursor cursor, PickleGlobal callee, object?[] arguments) => HoldsTensor(cursor, arguments, 0)
        ? throw cursor.Fault(
            $"refused {callee}: a tensor of the file is made by it, and it is not among the functions that are known; nothing was run")
        : new PickleObject(callee);

    private static bool HoldsTensor(PickleCursor cursor, object?[] items, int depth)
    {
        cursor.ChargeWork(items.Length);
        return items.Any(item => item is TorchTensor or TorchStorage
            || (item is object?[] inner && depth < DeepestTuple && HoldsTensor(cursor, inner, depth + 1)));
    }

    private static TorchTensor Tensor(PickleArguments arguments, TorchStorage storage, TensorType type)
    {
        (long[] shape, long[] strides) = (arguments.TakeSizes(2), arguments.TakeSizes(3));
        arguments.Cursor.ChargeWork(shape.Length * WorkPerDimension);
        string? fault = TorchTensor.Create(type, storage, arguments.Take<long>(1), shape, strides, out TorchTensor? tensor);
        return tensor ?? throw arguments.Fault($"storage {CheckpointFormatException.Quote(storage.Entry.Name)}: {fault}");
    }
}
