namespace SnapViT.Core.Checkpoints;

/// <summary>Brings the elements of a strided view into row-major order.</summary>
internal static class StridedGather
{
    /// <param name="source">The bytes from the first to the last element of the view.</param>
    /// <param name="shape">Size of every dimension; at least one, none of them 0.</param>
    /// <param name="strides">Elements from one index to the next.</param>
    /// <param name="elementSize">Bytes per element.</param>
    /// <param name="destination">All elements, row-major.</param>
    public static void Copy(
        ReadOnlySpan<byte> source, IReadOnlyList<long> shape, IReadOnlyList<long> strides, int elementSize, Span<byte> destination)
    {
        long[] index = new long[shape.Count];
        long at = 0;
        for (int written = 0; written < destination.Length; written += elementSize)
        {
            source.Slice((int)at * elementSize, elementSize).CopyTo(destination[written..]);
            for (int axis = shape.Count - 1; axis >= 0; axis--)
            {
                at += strides[axis];
                if (++index[axis] < shape[axis])
                {
                    break;
                }

                at -= index[axis] * strides[axis];
                index[axis] = 0;
            }
        }
    }
}
