using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>
/// Reads the pickle of a PyTorch file: a stack machine that makes values and knows no other effect. Names come from <see cref="PickleGlobals"/> only;
/// instructions, memo, marks and text are bounded, and every index, length and type is checked when it is used.
/// </summary>
/// <remarks>The instructions are those of Python's pickle protocols 2 to 5 that PyTorch writes (documented in CPython's pickletools).</remarks>
internal sealed partial class PickleMachine
{
    private const int MaxInstructions = 1 << 21;
    private const int MaxMemo = 1 << 20;
    private const int MaxMarks = 1 << 10;

    private readonly PickleCursor _cursor;
    private readonly Func<string, ZipEntry?> _storages;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];

    private PickleMachine(PickleCursor cursor, Func<string, ZipEntry?> storages) => (_cursor, _storages) = (cursor, storages);

    private int Floor => _marks.Count == 0 ? 0 : _marks[^1];

    /// <summary>Reads a whole pickle.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="pickle">The bytes of the pickle.</param>
    /// <param name="storages">The entry of a storage key, or null when there is none.</param>
    /// <returns>The value as a tree of plain, immutable values; see <see cref="TorchArchiveReader.Root"/>.</returns>
    /// <exception cref="CheckpointFormatException">The pickle is damaged, too large, or mentions what no checkpoint needs.</exception>
    public static object? Load(string path, byte[] pickle, Func<string, ZipEntry?> storages)
    {
        PickleCursor cursor = new(path, pickle);
        return PickleTree.Freeze(new PickleMachine(cursor, storages).Run(), cursor);
    }

    private object? Run()
    {
        for (int count = 0; count < MaxInstructions; count++)
        {
            byte opcode = _cursor.NextOpcode();
            if (opcode == Stop)
            {
                object? result = Pop();
                return _stack.Count == 0 && _marks.Count == 0 && _cursor.AtEnd ? result : throw _cursor.Fault("the pickle ends before all of it is used");
            }

            Action<PickleMachine> instruction = Instructions[opcode]
                ?? throw _cursor.Fault($"refused the instruction 0x{opcode:x2}: PyTorch does not write it");
            instruction(this);
        }

        throw _cursor.Fault($"expected at most {MaxInstructions} instructions, found more");
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Pop()
    {
        object? value = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private T Pop<T>() => Pop() is T value ? value : throw _cursor.Fault($"expected {PickleArguments.Kind(typeof(T))} on the stack, found something else");

    private object? Top() => _stack.Count > Floor ? _stack[^1] : throw _cursor.Fault("expected a value on the stack, found none");

    private T Top<T>() => Top() is T value ? value : throw _cursor.Fault($"expected {PickleArguments.Kind(typeof(T))} on the stack, found {PickleArguments.Kind(Top()?.GetType())}");

    private void Mark()
    {
        if (_marks.Count == MaxMarks)
        {
            throw _cursor.Fault($"expected at most {MaxMarks} values inside each other, found more");
        }

        _marks.Add(_stack.Count);
    }

    private object?[] PopToMark()
    {
        if (_marks.Count == 0)
        {
            throw _cursor.Fault("expected a mark on the stack, found none");
        }

        object?[] items = [.. _stack[Floor..]];
        _stack.RemoveRange(Floor, items.Length);
        _marks.RemoveAt(_marks.Count - 1);
        return items;
    }

    private void Tuple(int count)
    {
        object?[] items = new object?[count];
        for (int i = count - 1; i >= 0; i--)
        {
            items[i] = Pop();
        }

        Push(items);
    }

    private void Remember(uint index)
    {
        if (_memo.Count == MaxMemo)
        {
            throw _cursor.Fault($"expected at most {MaxMemo} remembered values, found more");
        }

        _memo[index] = Top();
    }

    private void Recall(uint index) =>
        Push(_memo.TryGetValue(index, out object? value) ? value : throw _cursor.Fault($"recalls value {index}, which was never remembered"));

    private void SetItems(object?[] items)
    {
        List<KeyValuePair<object?, object?>> target = Top<PickleDictionary>().Items;
        if (items.Length % 2 != 0)
        {
            throw _cursor.Fault($"expected keys and values in pairs, found {items.Length} of them");
        }

        for (int i = 0; i < items.Length; i += 2)
        {
            target.Add(new(items[i], items[i + 1]));
        }
    }

    private void Call()
    {
        object?[] arguments = Pop<object?[]>();
        PickleGlobal callee = Pop<PickleGlobal>();
        Push(callee.Call is { } call ? call(new PickleArguments(_cursor, callee, arguments)) : throw _cursor.Fault($"refused a call of {callee}"));
    }

    private void MakeObject()
    {
        object?[] arguments = Pop<object?[]>();
        PickleGlobal type = Pop<PickleGlobal>();
        Push(type.IsDictionary && arguments.Length == 0 ? new PickleDictionary(type) : throw _cursor.Fault($"refused an object of {type} from {arguments.Length} arguments"));
    }

    private void SetState()
    {
        object? state = Pop();
        PickleDictionary target = Top<PickleDictionary>();
        if (target.Global is null || state is not PickleDictionary attributes || ReferenceEquals(attributes, target))
        {
            throw _cursor.Fault($"refused a state for {target.Global?.ToString() ?? "a dict"}");
        }

        if (target.Global.KeepsState)
        {
            _cursor.ChargeCopy(attributes.Items.Count);
            target.Items.AddRange(attributes.Items);
        }
    }

    /// <summary><c>('storage', class, key, location, elements)</c>: the only kind of reference to something outside the pickle.</summary>
    private void LoadStorage()
    {
        if (Pop<object?[]>() is not ["storage", PickleGlobal { IsStorage: true } type, string key, string, long elements])
        {
            throw _cursor.Fault("expected ('storage', class, key, location, elements), found another reference");
        }

        string name = CheckpointFormatException.Quote(key);
        ZipEntry entry = _storages(key) ?? throw _cursor.Fault($"storage {name} is not in the archive");
        int size = (type.Type?.BitsPerElement() ?? 8) / 8;
        if (elements < 0 || elements != entry.Size / size || entry.Size % size != 0)
        {
            throw _cursor.Fault($"storage {name}: expected {elements} elements of {size} bytes, found an entry of {entry.Size} bytes");
        }

        Push(new TorchStorage(entry, type.Type));
    }
}
