using System.Collections.ObjectModel;
using System.Globalization;
using System.Numerics;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>Turns what a pickle built into a tree of immutable values: finite, without cycles, small enough to be walked.</summary>
internal sealed class PickleTree
{
    /// <summary>Most values of a tree, shared ones counted every time they appear: small pickles can describe trees without end.</summary>
    private const int MaxValues = 1 << 18;
    private const int MaxDepth = 100;

    private readonly PickleCursor _cursor;
    private int _values;

    private PickleTree(PickleCursor cursor) => _cursor = cursor;

    /// <exception cref="CheckpointFormatException">
    /// The tree is too large or deep, contains itself, has keys that are no names, or holds something that is no value.
    /// </exception>
    public static object? Freeze(object? root, PickleCursor cursor) => new PickleTree(cursor).Freeze(root, 0);

    private object? Freeze(object? value, int depth)
    {
        if (depth > MaxDepth)
        {
            throw _cursor.Fault($"expected values nested at most {MaxDepth} deep, found more: perhaps one contains itself");
        }

        if (++_values > MaxValues)
        {
            throw _cursor.Fault($"expected at most {MaxValues} values, found more");
        }

        return value switch
        {
            PickleDictionary dictionary => Freeze(dictionary, depth),
            object?[] tuple => Freeze((IReadOnlyList<object?>)tuple, depth),
            List<object?> list => Freeze((IReadOnlyList<object?>)list, depth),
            PickleGlobal { IsStorage: false, Type: { } type } => $"torch.{type.TorchName()}",
            PickleGlobal global => new TorchObject($"{global.Module}.{global.Name}"),
            PickleObject other => other.AsDictionary(_cursor) is { } dictionary
                ? Freeze(dictionary, depth)
                : new TorchObject($"{other.Class.Module}.{other.Class.Name}"),
            TorchStorage storage => throw _cursor.Fault(
                $"refused storage {CheckpointFormatException.Quote(storage.Entry.Name)} as a value: it belongs to no tensor"),
            PickleArray { IsComplete: false } => throw _cursor.Fault("refused an array without its content"),
            _ => value,
        };
    }

    private ReadOnlyCollection<object?> Freeze(IReadOnlyList<object?> items, int depth)
    {
        List<object?> frozen = [];
        foreach (object? item in items)
        {
            frozen.Add(Freeze(item, depth + 1));
        }

        return frozen.AsReadOnly();
    }

    private ReadOnlyDictionary<string, object?> Freeze(PickleDictionary dictionary, int depth)
    {
        OrderedDictionary<string, object?> frozen = [];
        foreach ((object? key, object? value) in dictionary.Items)
        {
            string name = key switch
            {
                string text => text,
                long or BigInteger => ((IFormattable)key).ToString(null, CultureInfo.InvariantCulture),
                _ => $"<{PickleArguments.Kind(key?.GetType())} {frozen.Count}>",
            };
            _cursor.ChargeWork(name.Length);
            if (!frozen.TryAdd(name, Freeze(value, depth + 1)))
            {
                throw _cursor.Fault($"a dictionary has the key {CheckpointFormatException.Quote(name)} twice");
            }
        }

        return new ReadOnlyDictionary<string, object?>(frozen);
    }
}

/// <summary>A dictionary while a pickle is being read: dict, OrderedDict or argparse.Namespace.</summary>
/// <param name="Global">The class when it is no plain dict.</param>
internal sealed record PickleDictionary(PickleGlobal? Global = null)
{
    public List<KeyValuePair<object?, object?>> Items { get; } = [];
}

/// <summary>A block of elements in a PyTorch file: one zip entry.</summary>
/// <param name="Entry">Where its bytes are; exactly as many as it has.</param>
/// <param name="Type">Type of its elements; null when it is untyped bytes.</param>
internal sealed record TorchStorage(ZipEntry Entry, TensorType? Type)
{
    public long ByteLength => Entry.Size;
}
