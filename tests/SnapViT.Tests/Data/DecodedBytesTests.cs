using SnapViT.Data;

namespace SnapViT.Tests.Data;

public sealed class DecodedBytesTests
{
    [Fact]
    public void One_image_may_be_larger_than_the_limit_and_is_then_alone()
    {
        DecodedBytes bytes = new(100);
        using (DecodedBytes.Lease lease = bytes.Lend())
        {
            lease.Take(1000);
            Assert.Equal(1000, bytes.Taken);
        }

        Assert.Equal(0, bytes.Taken);
    }

    [Fact]
    public async Task Many_at_once_never_take_more_than_the_limit_and_all_come_through()
    {
        DecodedBytes bytes = new(100);
        long most = 0;
        Task[] all = [.. Enumerable.Range(0, 200).Select(index => Task.Run(
            () =>
            {
                using DecodedBytes.Lease lease = bytes.Lend();
                lease.Take(1 + (index * 7 % 60));
                long taken = bytes.Taken;
                InterlockedMax(ref most, taken);
                Thread.Yield();
            },
            TestContext.Current.CancellationToken))];
        await Task.WhenAll(all);
        Assert.InRange(most, 1, 100);
        Assert.Equal(0, bytes.Taken);
    }

    private static void InterlockedMax(ref long most, long value)
    {
        long seen;
        while ((seen = Interlocked.Read(ref most)) < value && Interlocked.CompareExchange(ref most, value, seen) != seen)
        {
        }
    }
}
