using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>
/// Reads the pickle of a PyTorch file: a stack machine that makes values and knows no other effect. Names come from
/// <see cref="PickleGlobals"/> only; instructions, memo, marks and text are bounded, and every index, length and type is checked when it is
/// used.
/// </summary>
/// <remarks>
/// The instructions are those of Python's pickle protocols 2 to 5 that PyTorch writes (documented in CPython's pickletools).
/// </remarks>
internal sealed class PickleMachine
{
    private const int MaxInstructions = 1 << 21;
    private const int MaxMemo = 1 << 20;
    private const int MaxMarks = 1 << 10;

    private readonly PickleCursor _cursor;
    private readonly Func<string, ZipEntry?> _storages;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];

    private readonly bool _isData;

    private PickleMachine(PickleCursor cursor, Func<string, ZipEntry?> storages, bool isData) =>
        (_cursor, _storages, _isData) = (cursor, storages, isData);

    private int Floor => _marks.Count == 0 ? 0 : _marks[^1];

    /// <summary>Reads a whole pickle.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="pickle">The bytes of the pickle.</param>
    /// <param name="storages">The entry of a storage key, or null when there is none.</param>
    /// <param name="rootClass">The class of the whole where it is an object of an unknown one, such as a pickled module; else null.</param>
    /// <returns>The value as a tree of plain, immutable values; see <see cref="TorchArchiveReader.Root"/>.</returns>
    /// <exception cref="CheckpointFormatException">The pickle is damaged, too large, or mentions what no checkpoint needs.</exception>
    public static object? Load(string path, byte[] pickle, Func<string, ZipEntry?> storages, out string? rootClass)
    {
        PickleCursor cursor = new(path, pickle);
        object? root = new PickleMachine(cursor, storages, isData: false).Run();
        rootClass = root is PickleObject { Class: { } type } ? $"{type.Module}.{type.Name}" : null;
        return PickleTree.Freeze(root, cursor);
    }

    /// <summary>
    /// Reads a pickle of data, such as a batch of CIFAR: plain values, and arrays of numpy as their places in the pickle.
    /// </summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="pickle">The bytes of the pickle.</param>
    /// <returns>The value as a tree of plain, immutable values and of <see cref="PickleArray"/>.</returns>
    /// <exception cref="CheckpointFormatException">The pickle is damaged, too large, or mentions what no data needs.</exception>
    public static object? LoadData(string path, byte[] pickle)
    {
        PickleCursor cursor = new(path, pickle, entry: "");
        return PickleTree.Freeze(new PickleMachine(cursor, _ => null, isData: true).Run(), cursor);
    }

    private object? Run()
    {
        for (int count = 0; count < MaxInstructions; count++)
        {
            byte opcode = _cursor.NextOpcode();
            if (opcode == Stop)
            {
                object? result = Pop();
                return _stack.Count == 0 && _marks.Count == 0 && _cursor.AtEnd
                    ? result
                    : throw _cursor.Fault("the pickle ends before all of it is used");
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

    private T Pop<T>() =>
        Pop() is T value
            ? value
            : throw _cursor.Fault($"expected {PickleArguments.Kind(typeof(T))} on the stack, found something else");

    private object? Top() => _stack.Count > Floor ? _stack[^1] : throw _cursor.Fault("expected a value on the stack, found none");

    private T Top<T>() =>
        Top() is T value
            ? value
            : throw _cursor.Fault(
                $"expected {PickleArguments.Kind(typeof(T))} on the stack, found {PickleArguments.Kind(Top()?.GetType())}");

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
        Push(_memo.TryGetValue(index, out object? value)
            ? value
            : throw _cursor.Fault($"recalls value {index}, which was never remembered"));

    private void SetItems(object?[] items)
    {
        List<KeyValuePair<object?, object?>> target = (Top() is PickleObject other ? other.Items : Top<PickleDictionary>()).Items;
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
        if (Top() is PickleObject { Class: { } maker })
        {
            Pop();
            Push(PickleCalls.Unknown(_cursor, maker, arguments));
            return;
        }

        PickleGlobal callee = Pop<PickleGlobal>();
        Push(callee.IsUnknown ? PickleCalls.Unknown(_cursor, callee, arguments)
            : callee.Call is { } call ? call(new PickleArguments(_cursor, callee, arguments))
            : throw _cursor.Fault($"refused a call of {callee}"));
    }

    private void MakeObject()
    {
        object?[] arguments = Pop<object?[]>();
        PickleGlobal type = Pop<PickleGlobal>();
        Push(type.IsUnknown ? PickleCalls.Unknown(_cursor, type, arguments)
            : type.IsDictionary && arguments.Length == 0 ? new PickleDictionary(type)
            : throw _cursor.Fault($"refused an object of {type} from {arguments.Length} arguments"));
    }

    /// <summary>An object from positional and named arguments; the named ones are asked about as the others are.</summary>
    private void MakeObjectOfNames()
    {
        PickleDictionary named = Pop<PickleDictionary>();
        object?[] arguments = Pop<object?[]>();
        PickleGlobal type = Pop<PickleGlobal>();
        Push(type.IsUnknown
            ? PickleCalls.Unknown(_cursor, type, [.. arguments, .. named.Items.Select(item => item.Value)])
            : throw _cursor.Fault($"refused an object of {type} from named arguments"));
    }

    private void SetState()
    {
        object? state = Pop();
        if (Top() is PickleArray array)
        {
            array.SetState(_cursor, state);
            return;
        }

        if (Top() is PickleElement)
        {
            return;
        }

        if (Top() is PickleObject other)
        {
            other.State = state;
            return;
        }

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
            throw _cursor.Fault(
                "expected ('storage', class, key, location, elements), found another reference or an unknown class of storage");
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

    private const byte Stop = (byte)'.';
    private const int NewestProtocol = 5;

    private static readonly Action<PickleMachine>?[] Instructions = Table(new()
    {
        [0x80] = machine => machine.Protocol(),
        [0x95] = machine => machine.Frame(),
        [(byte)'N'] = machine => machine.Push(null),
        [0x88] = machine => machine.Push(true),
        [0x89] = machine => machine.Push(false),
        [(byte)'J'] = machine => machine.Push((long)BinaryPrimitives.ReadInt32LittleEndian(machine._cursor.Take(4))),
        [(byte)'K'] = machine => machine.Push((long)machine.U8()),
        [(byte)'M'] = machine => machine.Push((long)BinaryPrimitives.ReadUInt16LittleEndian(machine._cursor.Take(2))),
        [0x8a] = machine => machine.LongInteger(),
        [(byte)'G'] = machine => machine.Push(BinaryPrimitives.ReadDoubleBigEndian(machine._cursor.Take(8))),
        [(byte)'X'] = machine => machine.Push(machine._cursor.TakeText(machine.U32())),
        [0x8c] = machine => machine.Push(machine._cursor.TakeText(machine.U8())),
        [0x8d] = machine => machine.Push(machine._cursor.TakeText(machine.U64())),
        [(byte)'U'] = machine => machine.OldText(machine.U8()),
        [(byte)'T'] = machine => machine.OldBytes(machine.U32()),
        [(byte)'B'] = machine => machine.Bytes(machine.U32()),
        [(byte)'C'] = machine => machine.Bytes(machine.U8()),
        [0x8e] = machine => machine.Bytes(machine.U64()),
        [0x96] = machine => machine.Bytes(machine.U64()),
        [(byte)'('] = machine => machine.Mark(),
        [(byte)')'] = machine => machine.Tuple(0),
        [0x85] = machine => machine.Tuple(1),
        [0x86] = machine => machine.Tuple(2),
        [0x87] = machine => machine.Tuple(3),
        [(byte)'t'] = machine => machine.Push(machine.PopToMark()),
        [0x91] = machine => machine.Push(machine.PopToMark()),
        [(byte)']'] = machine => machine.Push(new List<object?>()),
        [0x8f] = machine => machine.Push(new List<object?>()),
        [(byte)'a'] = machine => machine.Append([machine.Pop()]),
        [(byte)'e'] = machine => machine.Append(machine.PopToMark()),
        [0x90] = machine => machine.Append(machine.PopToMark()),
        [(byte)'}'] = machine => machine.Push(new PickleDictionary()),
        [(byte)'s'] = machine => machine.SetItem(),
        [(byte)'u'] = machine => machine.SetItems(machine.PopToMark()),
        [(byte)'q'] = machine => machine.Remember(machine.U8()),
        [(byte)'r'] = machine => machine.Remember(machine.U32()),
        [0x94] = machine => machine.Remember((uint)machine._memo.Count),
        [(byte)'h'] = machine => machine.Recall(machine.U8()),
        [(byte)'j'] = machine => machine.Recall(machine.U32()),
        [(byte)'c'] = machine => machine.Global(machine._cursor.TakeLine(), machine._cursor.TakeLine()),
        [0x93] = machine => machine.StackGlobal(),
        [(byte)'R'] = machine => machine.Call(),
        [0x81] = machine => machine.MakeObject(),
        [0x92] = machine => machine.MakeObjectOfNames(),
        [(byte)'0'] = machine => machine.Pop(),
        [(byte)'1'] = machine => machine.PopToMark(),
        [(byte)'b'] = machine => machine.SetState(),
        [(byte)'Q'] = machine => machine.LoadStorage(),
    });

    private static Action<PickleMachine>?[] Table(Dictionary<byte, Action<PickleMachine>> rows) =>
        [.. Enumerable.Range(0, 256).Select(opcode => rows.GetValueOrDefault((byte)opcode))];

    private byte U8() => _cursor.Take(1)[0];

    private uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(_cursor.Take(4));

    private ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(_cursor.Take(8));

    private void Protocol()
    {
        if (U8() is var version && version is < 2 or > NewestProtocol)
        {
            throw _cursor.Fault($"expected pickle protocol 2 to {NewestProtocol}, found {version}");
        }
    }

    /// <summary>The length of a frame is a hint for buffers only; what it spans is read instruction by instruction.</summary>
    private void Frame() => U64();

    /// <summary>An integer of any width, little-endian two's complement; wider than 64 bits it stays a <see cref="BigInteger"/>.</summary>
    private void LongInteger()
    {
        BigInteger value = new(_cursor.Take(U8()));
        Push(value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value);
    }

    private void Bytes(ulong count) => Push(_cursor.TakeMemory(count));

    private void Append(object?[] items)
    {
        if (Top() is not PickleObject)
        {
            Top<List<object?>>().AddRange(items);
        }
    }

    private void SetItem()
    {
        object? value = Pop();
        object? key = Pop();
        SetItems([key, value]);
    }

    private void StackGlobal()
    {
        string name = Pop<string>();
        string module = Pop<string>();
        if (Math.Max(name.Length, module.Length) > PickleCursor.LongestLine)
        {
            throw _cursor.Fault($"expected names of at most {PickleCursor.LongestLine} characters, found one of "
                + $"{Math.Max(name.Length, module.Length)}");
        }

        Global(module, name);
    }

    private void Global(string module, string name) =>
        Push((_isData ? PickleGlobals.FindOfArrays(module, name) : null) ?? PickleGlobals.Find(_cursor, module, name));

    /// <summary>A string of Python 2: text, or bytes where it is none.</summary>
    private void OldText(ulong count)
    {
        if (!_isData)
        {
            Push(_cursor.TakeText(count));
            return;
        }

        ReadOnlyMemory<byte> bytes = _cursor.TakeMemory(count);
        Push(Ascii.IsValid(bytes.Span) ? Encoding.ASCII.GetString(bytes.Span) : bytes);
    }

    /// <summary>A long string of Python 2, which holds the content of an array.</summary>
    private void OldBytes(uint count)
    {
        if (!_isData)
        {
            throw _cursor.Fault("refused the instruction 0x54: PyTorch does not write it");
        }

        Push(_cursor.TakeMemory(count));
    }
}
