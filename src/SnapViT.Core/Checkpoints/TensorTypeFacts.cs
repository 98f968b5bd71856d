using System.Collections.Frozen;

namespace SnapViT.Core.Checkpoints;

/// <summary>Size and names of every <see cref="TensorType"/>: one table.</summary>
internal static class TensorTypeFacts
{
    /// <summary>One row of the table.</summary>
    /// <param name="Type">The type.</param>
    /// <param name="SafetensorsName">Its name in a safetensors header.</param>
    /// <param name="Bits">Bits per element.</param>
    /// <param name="TorchName">Its name in the module <c>torch</c>; null where PyTorch files cannot hold it.</param>
    /// <param name="StorageClass">PyTorch's class for a storage of such elements; null where it uses untyped storages.</param>
    private sealed record Row(TensorType Type, string SafetensorsName, int Bits, string? TorchName, string? StorageClass);

    private static readonly Row[] Rows =
    [
        new(TensorType.Float64, "F64", 64, "float64", "DoubleStorage"),
        new(TensorType.Float32, "F32", 32, "float32", "FloatStorage"),
        new(TensorType.Float16, "F16", 16, "float16", "HalfStorage"),
        new(TensorType.BFloat16, "BF16", 16, "bfloat16", "BFloat16Storage"),
        new(TensorType.Int64, "I64", 64, "int64", "LongStorage"),
        new(TensorType.Int32, "I32", 32, "int32", "IntStorage"),
        new(TensorType.Int16, "I16", 16, "int16", "ShortStorage"),
        new(TensorType.Int8, "I8", 8, "int8", "CharStorage"),
        new(TensorType.UInt64, "U64", 64, "uint64", null),
        new(TensorType.UInt32, "U32", 32, "uint32", null),
        new(TensorType.UInt16, "U16", 16, "uint16", null),
        new(TensorType.UInt8, "U8", 8, "uint8", "ByteStorage"),
        new(TensorType.Bool, "BOOL", 8, "bool", "BoolStorage"),
        new(TensorType.Complex64, "C64", 64, "complex64", "ComplexFloatStorage"),
        new(TensorType.Float8E4M3, "F8_E4M3", 8, "float8_e4m3fn", null),
        new(TensorType.Float8E5M2, "F8_E5M2", 8, "float8_e5m2", null),
        new(TensorType.Float8E8M0, "F8_E8M0", 8, "float8_e8m0fnu", null),
        new(TensorType.Float6E2M3, "F6_E2M3", 6, null, null),
        new(TensorType.Float6E3M2, "F6_E3M2", 6, null, null),
        new(TensorType.Float4, "F4", 4, null, null),
    ];

    private static readonly FrozenDictionary<TensorType, Row> ByType = Rows.ToFrozenDictionary(row => row.Type);
    private static readonly FrozenDictionary<string, Row> ByName = Rows.ToFrozenDictionary(row => row.SafetensorsName);

    /// <summary>Bits of one element; the 4- and 6-bit types are packed without gaps.</summary>
    public static int BitsPerElement(this TensorType type) => ByType[type].Bits;

    /// <summary>The name of the type in a safetensors header, for example <c>F32</c>.</summary>
    public static string SafetensorsName(this TensorType type) => ByType[type].SafetensorsName;

    /// <summary>Finds the type with a safetensors name.</summary>
    /// <returns>False when the format knows no such name.</returns>
    public static bool TryParseSafetensorsName(string name, out TensorType type)
    {
        bool known = ByName.TryGetValue(name, out Row? row);
        type = row?.Type ?? default;
        return known;
    }

    /// <summary>
    /// The name of the type in PyTorch's module <c>torch</c>, for example <c>float32</c>; null where PyTorch files cannot hold it.
    /// </summary>
    internal static string? TorchName(this TensorType type) => ByType[type].TorchName;

    /// <summary>
    /// PyTorch's class for a storage of such elements, for example <c>FloatStorage</c>; null where it uses untyped storages.
    /// </summary>
    internal static string? StorageClass(this TensorType type) => ByType[type].StorageClass;
}
