using System.Buffers.Binary;
using System.Text;
using SnapViT.Core.Tests.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints.Pickle;

/// <summary>Pickles made by hand: instructions as text (one character is one byte), values as the bytes that push them.</summary>
internal static class PickleBytes
{
    public static byte[] Of(params object[] parts) =>
        [.. parts.SelectMany(part => part as byte[] ?? Encoding.Latin1.GetBytes((string)part))];

    public static byte[] Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [(byte)'X', .. Little(utf8.Length), .. utf8];
    }

    public static byte[] Int(long value) =>
        value is >= 0 and < 256 ? [(byte)'K', (byte)value]
        : value is >= int.MinValue and <= int.MaxValue ? [(byte)'J', .. Little((int)value)]
        : [0x8a, 8, .. Little((int)value), .. Little((int)(value >> 32))];

    public static byte[] Global(string module, string name) => Of($"c{module}\n{name}\n");

    public static byte[] Tuple(params object[] items) => Of(["(", .. items, "t"]);

    public static byte[] Sizes(params long[] sizes) => Tuple([.. sizes.Select(Int)]);

    public static byte[] Storage(string key, long elements, string type = "FloatStorage", string module = "torch") =>
        Of(Tuple(Text("storage"), Global(module, type), Text(key), Text("cpu"), Int(elements)), "Q");

    public static byte[] Tensor(byte[] storage, long offset, long[] shape, long[] strides) =>
        Of(Global("torch._utils", "_rebuild_tensor_v2"), Tuple(storage, Int(offset), Sizes(shape), Sizes(strides), "\u0089", Global("collections", "OrderedDict"), ")R"), "R");

    /// <summary>A PyTorch file with this pickle and these storages.</summary>
    public static byte[] File(byte[] pickle, params (string Key, byte[] Bytes)[] storages) =>
        ZipBytes.Of([new ZipPart("a/data.pkl", pickle), .. storages.Select(storage => new ZipPart($"a/data/{storage.Key}", storage.Bytes)), new ZipPart("a/version", "3\n"u8.ToArray())]);

    private static byte[] Little(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }
}
