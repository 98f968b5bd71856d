using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>
/// Sums, and products with numbers. TorchSharp 0.107's own operators hand torch the handle of a temporary <see cref="Scalar"/> and let go
/// of it: when the collector runs at that moment, its finalizer frees the number under torch's hands. Here the number lives until torch has
/// answered.
/// </summary>
internal static class TensorArithmetic
{
    private static readonly Scalar One = 1.ToScalar();
    private static readonly Scalar MinusOne = (-1).ToScalar();

    /// <summary>0, 1, ... as int64 [count].</summary>
    public static Tensor Range(long count, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor one = ones([count], ScalarType.Int64, device);
        return one.cumsum(0).Minus(one).MoveToOuterDisposeScope();
    }

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    /// <summary>a - b.</summary>
    public static Tensor Minus(this Tensor a, Tensor b) => a.add(b, MinusOne);

    /// <summary>Adds b to a in place.</summary>
    public static void AddInPlace(this Tensor a, Tensor b) => a.add_(b, One);

    /// <summary>Subtracts b from a in place.</summary>
    public static void SubInPlace(this Tensor a, Tensor b) => a.add_(b, MinusOne);

    /// <summary>a times a number.</summary>
    public static Tensor Times(this Tensor a, double factor)
    {
        using Scalar scalar = factor.ToScalar();
        return a.mul(scalar);
    }

    /// <summary>a times a whole number, in the type of a.</summary>
    public static Tensor Times(this Tensor a, long factor)
    {
        using Scalar scalar = factor.ToScalar();
        return a.mul(scalar);
    }

    /// <summary>Multiplies a by a number in place.</summary>
    public static void TimesInPlace(this Tensor a, double factor)
    {
        using Scalar scalar = factor.ToScalar();
        a.mul_(scalar);
    }

    /// <summary>a divided by a number.</summary>
    public static Tensor Div(this Tensor a, double divisor)
    {
        using Scalar scalar = divisor.ToScalar();
        return a.div(scalar);
    }
}
