namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>The arguments of a call in a pickle, each taken only as what it must be.</summary>
internal sealed class PickleArguments(PickleCursor cursor, PickleGlobal callee, object?[] items)
{
    public PickleGlobal Callee => callee;

    public PickleCursor Cursor => cursor;

    public int Count => items.Length;

    public object? this[int index] => items[index];

    public CheckpointFormatException Fault(string fault) => cursor.Fault($"{callee}: {fault}");

    public void ExpectCount(int least, int most)
    {
        if (items.Length < least || items.Length > most)
        {
            throw Fault($"expected {least} to {most} arguments, found {items.Length}");
        }
    }

    public T Take<T>(int index) =>
        items[index] is T value
            ? value
            : throw Fault($"expected argument {index} to be {Kind(typeof(T))}, found {Kind(items[index]?.GetType())}");

    /// <summary>A tuple of integers: a shape or strides.</summary>
    public long[] TakeSizes(int index)
    {
        object?[] tuple = Take<object?[]>(index);
        if (tuple.Length > TensorEntry.MaxRank)
        {
            throw Fault($"expected at most {TensorEntry.MaxRank} dimensions, found {tuple.Length}");
        }

        return Array.ConvertAll(
            tuple, item => item is long size
                ? size
                : throw Fault($"expected argument {index} to hold integers, found {Kind(item?.GetType())}"));
    }

    /// <summary>Name of a value's kind for messages, in Python's words.</summary>
    public static string Kind(Type? type) =>
        type is null ? "None"
        : type == typeof(bool) ? "a bool"
        : type == typeof(long) ? "an int"
        : type == typeof(double) ? "a float"
        : type == typeof(string) ? "a str"
        : type == typeof(object[]) ? "a tuple"
        : type == typeof(List<object?>) ? "a list"
        : type == typeof(PickleDictionary) ? "a dict"
        : type == typeof(PickleGlobal) ? "a global"
        : type == typeof(PickleObject) ? "an object"
        : type == typeof(TorchStorage) ? "a storage"
        : type == typeof(TorchTensor) ? "a tensor"
        : type == typeof(PickleArray) ? "an array"
        : type.Name;
}
