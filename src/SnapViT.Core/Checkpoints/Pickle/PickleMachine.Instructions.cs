using System.Buffers.Binary;
using System.Numerics;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>The instruction table; what is not in it is refused.</summary>
internal sealed partial class PickleMachine
{
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
        [(byte)'U'] = machine => machine.Push(machine._cursor.TakeText(machine.U8())),
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
        [(byte)'c'] = machine => machine.Push(PickleGlobals.Find(machine._cursor, machine._cursor.TakeLine(), machine._cursor.TakeLine())),
        [0x93] = machine => machine.StackGlobal(),
        [(byte)'R'] = machine => machine.Call(),
        [0x81] = machine => machine.MakeObject(),
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

    private void Bytes(ulong count) => Push(new ReadOnlyMemory<byte>(_cursor.Take(count).ToArray()));

    private void Append(object?[] items) => Top<List<object?>>().AddRange(items);

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
        Push(PickleGlobals.Find(_cursor, module, name));
    }
}
