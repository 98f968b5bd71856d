using System.Collections.Frozen;

namespace SnapViT.Core.Checkpoints;

/// <summary>Size and names of every <see cref="TensorType"/>: one table.</summary>
public static class TensorTypeFacts
{
    /// <summary>One row of the table.</summary>
    /// <param name="Type">The type.</param>
    /// <param name="SafetensorsName">Its name in a safetensors header.</param>
    /// <param name="Bits">Bits per element.</param>
    private sealed record Row(TensorType Type, string SafetensorsName, int Bits);

    private static readonly Row[] Rows =
    [
        new(TensorType.Float64, "F64", 64),
        new(TensorType.Float32, "F32", 32),
        new(TensorType.Float16, "F16", 16),
        new(TensorType.BFloat16, "BF16", 16),
        new(TensorType.Int64, "I64", 64),
        new(TensorType.Int32, "I32", 32),
        new(TensorType.Int16, "I16", 16),
        new(TensorType.Int8, "I8", 8),
        new(TensorType.UInt64, "U64", 64),
        new(TensorType.UInt32, "U32", 32),
        new(TensorType.UInt16, "U16", 16),
        new(TensorType.UInt8, "U8", 8),
        new(TensorType.Bool, "BOOL", 8),
        new(TensorType.Complex64, "C64", 64),
        new(TensorType.Float8E4M3, "F8_E4M3", 8),
        new(TensorType.Float8E5M2, "F8_E5M2", 8),
        new(TensorType.Float8E8M0, "F8_E8M0", 8),
        new(TensorType.Float6E2M3, "F6_E2M3", 6),
        new(TensorType.Float6E3M2, "F6_E3M2", 6),
        new(TensorType.Float4, "F4", 4),
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
}
