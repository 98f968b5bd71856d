using System.Runtime.CompilerServices;
using CsCheck;
using SnapViT.Core.Randomness;

namespace SnapViT.Core.Tests.Randomness;

public sealed class SeededRandomTests
{
    // The published first five outputs of splitmix64 (Vigna) from state 1234567; four of them are the state here.
    [Fact]
    public void The_state_is_seeded_by_splitmix64() =>
        Assert.Equal([6457827717110365317UL, 3203168211198807973, 9817491932198370423, 4593380528125082431], State(new SeededRandom(1234567)));

    // The published first ten outputs of xoshiro256** (Blackman and Vigna's C code) from state 1, 2, 3, 4.
    [Fact]
    public void The_bits_are_those_of_xoshiro256_starstar()
    {
        SeededRandom random = new(0);
        new ulong[] { 1, 2, 3, 4 }.CopyTo(State(random), 0);
        Assert.Equal(
            [
                11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600, 16172922978634559625,
                8476171486693032832, 10595114339597558777, 2904607092377533576,
            ],
            Enumerable.Range(0, 10).Select(_ => random.NextBits()));
    }

    // xoshiro256** seeded by splitmix64 from 0, as published for other implementations of the pair.
    [Fact]
    public void A_seed_gives_the_published_stream()
    {
        SeededRandom random = new(0);
        Assert.Equal(
            [0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c, 0xbba5ad4a1f842e59],
            Enumerable.Range(0, 5).Select(_ => random.NextBits()));
    }

    // Made by an independent implementation in Python: the little-endian first 8 bytes of SHA-256("42/crops/photo.jpg") are the seed.
    [Fact]
    public void The_stream_of_a_purpose_never_changes()
    {
        SeededRandom random = SeededRandom.ForPurpose(42, "crops/photo.jpg");
        Assert.Equal([7919275980226980282UL, 6417140049163195307, 15003751215678606890], Enumerable.Range(0, 3).Select(_ => random.NextBits()));
    }

    [Fact]
    public void Purposes_and_seeds_have_streams_of_their_own()
    {
        List<ulong[]> streams = [];
        foreach ((ulong seed, string purpose) in new[] { (1UL, "a"), (1UL, "b"), (2UL, "a"), (1UL, ""), (11UL, "/a"), (1UL, "1/a"), (1UL, "ä") })
        {
            SeededRandom random = SeededRandom.ForPurpose(seed, purpose);
            streams.Add([.. Enumerable.Range(0, 100).Select(_ => random.NextBits())]);
        }

        Assert.Equal(700, streams.SelectMany(stream => stream).Distinct().Count());
    }

    [Fact]
    public void Drawing_from_one_purpose_never_shifts_another()
    {
        SeededRandom first = SeededRandom.ForPurpose(7, "search"), second = SeededRandom.ForPurpose(7, "crops"), untouched = SeededRandom.ForPurpose(7, "crops");
        for (int i = 0; i < 100; i++)
        {
            first.NextNormal();
            Assert.Equal(untouched.NextNormal(), second.NextNormal());
        }
    }

    [Fact]
    public void Integers_stay_within_their_bounds() => Gen.Select(Gen.ULong, Gen.OneOf(Gen.Int[1, 10], Gen.Int[1, int.MaxValue])).Sample(
        (seed, bound) =>
        {
            SeededRandom random = new(seed);
            for (int i = 0; i < 20; i++)
            {
                Assert.InRange(random.NextInt(bound), 0, bound - 1);
            }
        },
        iter: 500);

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void A_bound_that_is_not_positive_is_refused(int bound) => Assert.Throws<ArgumentOutOfRangeException>(() => new SeededRandom(1).NextInt(bound));

    [Fact]
    public void Bits_beyond_the_last_whole_multiple_of_the_bound_are_drawn_again()
    {
        // Made backwards from the generator's output: this state first gives 2^64 - 2, the end of the multiples of 7 within 64 bits.
        SeededRandom random = new(0), twin = new(0);
        new ulong[] { 1, 7807840633976369243, 3, 4 }.CopyTo(State(random), 0);
        State(random).CopyTo(State(twin), 0);
        Assert.Equal(ulong.MaxValue - 1, twin.NextBits());
        Assert.Equal((int)(twin.NextBits() % 7), random.NextInt(7));
        Assert.Equal(twin.NextBits(), random.NextBits());
    }

    [Fact]
    public void Integers_and_shuffles_are_uniform()
    {
        SeededRandom random = new(3);
        int[] counts = new int[7], firsts = new int[7];
        for (int i = 0; i < 70_000; i++)
        {
            counts[random.NextInt(7)]++;
            int[] items = [0, 1, 2, 3, 4, 5, 6];
            random.Shuffle(items.AsSpan());
            firsts[items[0]]++;
            Assert.Equal(21, items.Sum());
        }

        // 10000 each, standard deviation 93: five of them are 463.
        Assert.All(counts.Concat(firsts), count => Assert.InRange(count, 9_537, 10_463));
    }

    [Fact]
    public void Shuffling_keeps_every_item() => Gen.Select(Gen.ULong, Gen.Int.Array[0, 40]).Sample(
        (seed, items) =>
        {
            int[] shuffled = [.. items];
            new SeededRandom(seed).Shuffle(shuffled.AsSpan());
            Assert.Equal(items.Order(), shuffled.Order());
        },
        iter: 200);

    [Fact]
    public void Doubles_fill_the_unit_interval_without_its_end()
    {
        double[] values = Draws(200_000, random => random.NextDouble());
        Assert.All(values, value => Assert.InRange(value, 0, 1 - (1.0 / (1UL << 53))));
        Assert.Equal(0.5, values.Average(), 0.004);
        Assert.Equal(1 / 12.0, Moment(values, values.Average(), 2), 0.002);
        Assert.True(values.Min() < 1e-4 && values.Max() > 1 - 1e-4);
    }

    [Fact]
    public void Normals_have_the_moments_of_the_standard_normal()
    {
        double[] values = Draws(400_000, random => random.NextNormal());

        // Five standard errors: sqrt(1, 2, 15, 96 / n) * 5 of the moments 1 to 4.
        Assert.Equal(0, Moment(values, 0, 1), 0.008);
        Assert.Equal(1, Moment(values, 0, 2), 0.012);
        Assert.Equal(0, Moment(values, 0, 3), 0.031);
        Assert.Equal(3, Moment(values, 0, 4), 0.078);
        Assert.Equal(0.954499736, values.Count(value => Math.Abs(value) < 2) / 400_000.0, 0.0017);
        Assert.Equal(0, values.Zip(values.Skip(1), (a, b) => a * b).Average(), 0.008);
    }

    private static double[] Draws(int count, Func<SeededRandom, double> draw)
    {
        SeededRandom random = new(2024);
        return [.. Enumerable.Range(0, count).Select(_ => draw(random))];
    }

    private static double Moment(double[] values, double centre, int power) => values.Average(value => Math.Pow(value - centre, power));

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_state")]
    private static extern ref ulong[] State(SeededRandom random);
}
