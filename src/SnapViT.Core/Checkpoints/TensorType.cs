using System.Diagnostics.CodeAnalysis;

namespace SnapViT.Core.Checkpoints;

/// <summary>Type of the elements of a stored tensor.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The members are types; these are their names.")]
internal enum TensorType
{
    /// <summary>IEEE double precision.</summary>
    Float64,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>IEEE half precision.</summary>
    Float16,

    /// <summary>The upper half of a single: 8 exponent bits, 7 mantissa bits.</summary>
    BFloat16,

    /// <summary>Signed 64-bit integer.</summary>
    Int64,

    /// <summary>Signed 32-bit integer.</summary>
    Int32,

    /// <summary>Signed 16-bit integer.</summary>
    Int16,

    /// <summary>Signed 8-bit integer.</summary>
    Int8,

    /// <summary>Unsigned 64-bit integer.</summary>
    UInt64,

    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32,

    /// <summary>Unsigned 16-bit integer.</summary>
    UInt16,

    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8,

    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>A pair of singles: real and imaginary part.</summary>
    Complex64,

    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, finite only.</summary>
    Float8E4M3,

    /// <summary>8-bit float, 5 exponent and 2 mantissa bits.</summary>
    Float8E5M2,

    /// <summary>8-bit power of two: exponent only.</summary>
    Float8E8M0,

    /// <summary>6-bit float, 2 exponent and 3 mantissa bits, packed.</summary>
    Float6E2M3,

    /// <summary>6-bit float, 3 exponent and 2 mantissa bits, packed.</summary>
    Float6E3M2,

    /// <summary>4-bit float, two to a byte.</summary>
    Float4,
}
