using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>What each <see cref="TensorLayout"/> does to shapes and elements: the same table in both directions.</summary>
internal static class LayoutShapes
{
    private const int TokenRank = 3;
    private const int Channels = 3;

    /// <summary>The canonical shape of a tensor of the file; null when it cannot be one.</summary>
    public static long[]? ToCanonical(TensorLayout layout, IReadOnlyList<long> shape)
    {
        switch (layout)
        {
            case TensorLayout.Same:
                return [.. shape];
            case TensorLayout.Unbatched when shape.Count is 1 or 2:
                return [.. Enumerable.Repeat(1L, TokenRank - shape.Count), .. shape];
            case TensorLayout.Transposed when shape.Count == 2:
                return [shape[1], shape[0]];
            case TensorLayout.Flat when shape.Count > 0:
                return [shape.Aggregate(1L, (product, size) => product * size)];
            case TensorLayout.InputFirst when shape.Count >= 2:
                return [shape.Skip(1).Aggregate(1L, (product, size) => product * size), shape[0]];
            case TensorLayout.OutputLast when shape.Count >= 2:
                return [shape[^1], shape.SkipLast(1).Aggregate(1L, (product, size) => product * size)];
            case TensorLayout.ChannelsLast when shape.Count == 4:
                return [shape[3], shape[2], shape[0], shape[1]];
            case TensorLayout.PatchRows when shape.Count == 2 && Side(shape[1]) is long side:
                return [shape[0], Channels, side, side];
            default:
                return null;
        }
    }

    /// <summary>The shape in the file of a canonical tensor.</summary>
    public static long[] ToFile(TensorLayout layout, IReadOnlyList<long> shape) => layout switch
    {
        TensorLayout.Unbatched => [.. shape.Take(shape.Count - 1).SkipWhile(size => size == 1), shape[^1]],
        TensorLayout.Transposed => [shape[1], shape[0]],
        TensorLayout.PatchRows => [shape[0], shape[1] * shape[2] * shape[3]],
        _ => [.. shape],
    };

    /// <summary>Brings the elements of a tensor of the file into canonical order.</summary>
    public static void ToCanonical(
        TensorLayout layout, IReadOnlyList<long> canonical, int elementSize, ReadOnlySpan<byte> file, Span<byte> destination)
    {
        if (layout is TensorLayout.Transposed or TensorLayout.InputFirst or TensorLayout.OutputLast)
        {
            StridedGather.Copy(file, canonical, [1, canonical[0]], elementSize, destination);
        }
        else if (layout == TensorLayout.ChannelsLast)
        {
            (long outputs, long channels, long width) = (canonical[0], canonical[1], canonical[3]);
            StridedGather.Copy(file, canonical, [1, outputs, width * channels * outputs, channels * outputs], elementSize, destination);
        }
        else
        {
            long side = canonical[2];
            StridedGather.Copy(file, canonical, [side * side * Channels, 1, side * Channels, Channels], elementSize, destination);
        }
    }

    /// <summary>Brings the elements of a canonical tensor into the order of the file.</summary>
    public static void ToFile(
        TensorLayout layout, IReadOnlyList<long> canonical, int elementSize, ReadOnlySpan<byte> source, Span<byte> file)
    {
        if (layout == TensorLayout.Transposed)
        {
            StridedGather.Copy(source, [canonical[1], canonical[0]], [1, canonical[1]], elementSize, file);
        }
        else
        {
            long side = canonical[2];
            StridedGather.Copy(
                source, [canonical[0], side, side, Channels], [side * side * Channels, side, 1, side * side], elementSize, file);
        }
    }

    /// <summary>Whether the elements stand in another order than in the canonical tensor.</summary>
    public static bool Reorders(TensorLayout layout) => layout is not (TensorLayout.Same or TensorLayout.Unbatched or TensorLayout.Flat);

    private static long? Side(long pixels)
    {
        long side = (long)Math.Sqrt(pixels / (double)Channels);
        return side * side * Channels == pixels ? side : null;
    }
}
