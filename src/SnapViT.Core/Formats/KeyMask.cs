namespace SnapViT.Core.Formats;

/// <summary>
/// DINOv3's mask of the qkv bias, which says that keys have none: 1 for queries and values, 0 for keys. Elements are selected, never
/// multiplied: some files hold NaN in the bias of the keys, or in a mask that was never filled in.
/// </summary>
internal static class KeyMask
{
    /// <summary>
    /// Clears what the mask does not let through; an element that is NaN in the mask is one of its place: keys are cleared, others kept.
    /// </summary>
    /// <param name="mask">One number per element.</param>
    /// <param name="bias">The bias, queries, keys, values.</param>
    /// <param name="elementSize">Bytes per element.</param>
    public static void Apply(ReadOnlySpan<double> mask, Span<byte> bias, int elementSize)
    {
        for (int i = 0; i < mask.Length; i++)
        {
            bool isKey = i >= mask.Length / 3 && i < mask.Length / 3 * 2;
            if (mask[i] == 0 || (isKey && double.IsNaN(mask[i])))
            {
                bias.Slice(i * elementSize, elementSize).Clear();
            }
        }
    }

    /// <summary>The mask that goes with a bias: 0 for keys where all of them are zero, else 1.</summary>
    public static float[] Of(ReadOnlySpan<byte> bias, int elementSize)
    {
        int count = bias.Length / elementSize, third = count / 3;
        bool masked = bias.Slice(third * elementSize, third * elementSize).IndexOfAnyExcept((byte)0) < 0;
        float[] mask = new float[count];
        Array.Fill(mask, 1);
        if (masked)
        {
            mask.AsSpan(third, third).Clear();
        }

        return mask;
    }
}
