using System.Buffers;
using System.Buffers.Binary;
using System.Collections;
using System.Numerics;
using System.Text;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>Writes a tree of plain values as a pickle of protocol 2, the way PyTorch's own files are made.</summary>
internal sealed class PickleWriter
{
    private const int MaxDepth = 100;
    private const byte Mark = (byte)'(';

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ArrayBufferWriter<byte> _pickle = new();
    private readonly List<TensorToWrite> _tensors = [];

    /// <summary>Writes a pickle.</summary>
    /// <param name="root">The tree; see <see cref="TorchArchiveWriter.Write"/>.</param>
    /// <returns>The pickle, and its tensors: tensor i is the storage with the key i.</returns>
    /// <exception cref="ArgumentException">The tree holds what cannot be written, or contains itself.</exception>
    public static (byte[] Pickle, IReadOnlyList<TensorToWrite> Tensors) Write(object? root)
    {
        PickleWriter writer = new();
        writer.Op(0x80, 2);
        writer.Value(root, 0);
        writer.Op('.');
        return (writer._pickle.WrittenSpan.ToArray(), writer._tensors);
    }

    private void Value(object? value, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new ArgumentException($"expected values nested at most {MaxDepth} deep, found more: perhaps one contains itself");
        }

        switch (value)
        {
            case null: Op('N'); break;
            case bool flag: Op(flag ? 0x88 : 0x89); break;
            case int number: Integer(number); break;
            case long number: Integer(number); break;
            case double number: Float(number); break;
            case string text: Text(text); break;
            case TorchEnumMember member: EnumMember(member); break;
            case TensorToWrite tensor: Tensor(tensor); break;
            case IReadOnlyDictionary<string, object?> dictionary: Dictionary(dictionary, depth); break;
            case IList list: List(list, depth); break;
            default: throw new ArgumentException(
                $"a PyTorch file cannot hold a {value.GetType().Name} here: expected null, bool, int, long, double, string, "
                + $"dictionaries with string keys, lists, {nameof(TorchEnumMember)} or {nameof(TensorToWrite)}");
        }
    }

    private void Dictionary(IReadOnlyDictionary<string, object?> dictionary, int depth)
    {
        Op('}');
        if (dictionary.Count > 0)
        {
            Op(Mark);
            foreach ((string key, object? value) in dictionary)
            {
                Text(key);
                Value(value, depth + 1);
            }

            Op('u');
        }
    }

    private void List(IList list, int depth)
    {
        Op(']');
        if (list.Count > 0)
        {
            Op(Mark);
            foreach (object? item in list)
            {
                Value(item, depth + 1);
            }

            Op('e');
        }
    }

    private void EnumMember(TorchEnumMember member)
    {
        if (!$"{member.Module}{member.Class}".All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.'))
        {
            throw new ArgumentException(
                "expected the module and the name of a Python class, "
                + $"found {CheckpointFormatException.Quote(member.Module)} and {CheckpointFormatException.Quote(member.Class)}");
        }

        if (member.IsName)
        {
            Global("__builtin__", "getattr");
        }

        Global(member.Module, member.Class);
        Value(
            member.Key is string or long or int
                ? member.Key
                : throw new ArgumentException($"expected a string or an integer as key of an enumeration, found {member.Key}"),
            0);
        Op(member.IsName ? 0x86 : 0x85);
        Op('R');
    }

    /// <summary>
    /// <c>_rebuild_tensor_v2(storage, offset 0, size, stride, False, OrderedDict())</c>; types without a storage class of their own take
    /// <c>_v3</c> and their dtype.
    /// </summary>
    private void Tensor(TensorToWrite tensor)
    {
        TensorEntry entry = tensor.Entry;
        string name = entry.Type.TorchName() ?? throw new ArgumentException($"tensor {entry}: PyTorch files cannot hold {entry.Type}");
        string? storage = entry.Type.StorageClass();
        Global("torch._utils", storage is null ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
        Op(Mark);
        Storage(storage, storage is null ? entry.ByteLength : entry.ElementCount);
        Integer(0);
        Sizes(entry.Shape);
        Sizes(Strides(entry.Shape));
        Op(0x89);
        Global("collections", "OrderedDict");
        Op(')');
        Op('R');
        if (storage is null)
        {
            Global("torch", name);
        }

        Op('t');
        Op('R');
        _tensors.Add(tensor);
    }

    private void Storage(string? type, long elements)
    {
        Op(Mark);
        Text("storage");
        Global(type is null ? "torch.storage" : "torch", type ?? "UntypedStorage");
        Text($"{_tensors.Count}");
        Text("cpu");
        Integer(elements);
        Op('t');
        Op('Q');
    }

    private static long[] Strides(IReadOnlyList<long> shape)
    {
        long[] strides = new long[shape.Count];
        long stride = 1;
        for (int i = shape.Count - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, shape[i]);
        }

        return strides;
    }

    private void Sizes(IReadOnlyList<long> sizes)
    {
        Op(Mark);
        foreach (long size in sizes)
        {
            Integer(size);
        }

        Op('t');
    }

    private void Integer(long value)
    {
        if (value is >= 0 and <= byte.MaxValue)
        {
            Op('K', (byte)value);
        }
        else if (value is >= int.MinValue and <= int.MaxValue)
        {
            Span<byte> bytes = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
            Op('J');
            _pickle.Write(bytes);
        }
        else
        {
            byte[] bytes = new BigInteger(value).ToByteArray();
            Op(0x8a, (byte)bytes.Length);
            _pickle.Write(bytes);
        }
    }

    private void Float(double value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        Op('G');
        _pickle.Write(bytes);
    }

    private void Text(string text)
    {
        byte[] utf8 = Utf8.GetBytes(text);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        Op('X');
        _pickle.Write(length);
        _pickle.Write(utf8);
    }

    private void Global(string module, string name)
    {
        Op('c');
        _pickle.Write(Utf8.GetBytes($"{module}\n{name}\n"));
    }

    private void Op(int opcode) => _pickle.Write([(byte)opcode]);

    private void Op(int opcode, byte argument)
    {
        Op(opcode);
        Op(argument);
    }
}
