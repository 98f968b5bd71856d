using CsCheck;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class StridedGatherTests
{
    [Fact]
    public void A_transposed_view_is_read_column_by_column()
    {
        byte[] gathered = new byte[6];
        StridedGather.Copy([0, 1, 2, 3, 4, 5], [3, 2], [1, 3], 1, gathered);
        Assert.Equal([0, 3, 1, 4, 2, 5], gathered);
    }

    [Fact]
    public void Any_order_of_the_axes_gives_the_elements_at_their_own_index() =>
        Gen.Select(Gen.Int[1, 4].Array[1, 4], Gen.Int[1, 3]).SelectMany((sizes, gap) => Gen.Shuffle(Enumerable.Range(0, sizes.Length).ToArray()).Select(order => (sizes, gap, order))).Sample(sample =>
        {
            (int[] sizes, int gap, int[] order) = sample;
            long[] strides = new long[sizes.Length];
            long stride = gap;
            foreach (int axis in order)
            {
                strides[axis] = stride;
                stride *= sizes[axis];
            }

            short[] source = [.. Enumerable.Range(0, (int)stride).Select(i => (short)i)];
            short[] gathered = new short[sizes.Aggregate(1, (product, size) => product * size)];
            StridedGather.Copy(System.Runtime.InteropServices.MemoryMarshal.AsBytes(source.AsSpan()), [.. sizes.Select(size => (long)size)], strides, 2, System.Runtime.InteropServices.MemoryMarshal.AsBytes(gathered.AsSpan()));
            for (int i = 0; i < gathered.Length; i++)
            {
                long expected = 0;
                for (int axis = sizes.Length - 1, rest = i; axis >= 0; rest /= sizes[axis--])
                {
                    expected += rest % sizes[axis] * strides[axis];
                }

                Assert.Equal(expected, gathered[i]);
            }
        }, iter: 300);
}
