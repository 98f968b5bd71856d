using System.Numerics;
using CsCheck;
using SnapViT.Core.Checkpoints;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Tensors;

/// <summary>Exact sums do not depend on the order of their terms, and are what unbounded arithmetic gives, rounded once.</summary>
[LeakCheck]
public sealed class ExactSumTests
{
    /// <summary>Numbers of very different size and both signs, which plain sums lose parts of.</summary>
    private static readonly Gen<double> Number =
        Gen.Select(Gen.Double[-1, 1], Gen.Int[-90, 90]).Select((mantissa, exponent) => Math.ScaleB(mantissa, exponent));

    [Fact]
    public void A_sum_is_that_of_unbounded_integers_rounded_once() => Number.Array[1, 30].Sample(terms =>
    {
        using ExactSum sum = new([1]);
        Array.ForEach(terms, sum.Add);
        Assert.Equal(Expected(terms), sum.Number);
    });

    [Fact]
    public void A_tie_is_rounded_by_what_is_smaller_still()
    {
        double half = Math.ScaleB(1, -53), tiny = Math.ScaleB(1, -200);
        foreach (double[] terms in new[] { [1, half, tiny], [1, half, -tiny], [tiny, half, 1], new[] { 1 + (2 * half), half, -tiny } })
        {
            using ExactSum sum = new([1]);
            Array.ForEach(terms, sum.Add);
            Assert.Equal(Expected(terms), sum.Number);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Whatever_the_order_and_the_parts_the_bytes_are_the_same(ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] terms = Terms(type, 70, 333);
        using ExactSum forward = new([70, 333]), backward = new([70, 333]), halves = new([70, 333]), second = new([70, 333]);
        for (int i = 0; i < terms.Length; i++)
        {
            forward.Add(terms[i]);
            backward.Add(terms[^(i + 1)]);
            (i % 3 == 0 ? halves : second).Add(terms[i]);
            _ = i == 7 ? halves.Value : null;
        }

        AddSaved(second, halves);
        Assert.Equal(Bytes(forward), Bytes(backward));
        Assert.Equal(Bytes(forward), Bytes(halves));
    }

    [Fact]
    public void A_plain_sum_of_the_same_terms_depends_on_their_order()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] terms = Terms(ScalarType.Float32, 70, 333);
        Tensor forward = zeros([70, 333], ScalarType.Float64), backward = zeros([70, 333], ScalarType.Float64);
        for (int i = 0; i < terms.Length; i++)
        {
            forward.AddInPlace(terms[i]);
            backward.AddInPlace(terms[^(i + 1)]);
        }

        Assert.False(forward.equal(backward).all().item<bool>());
    }

    [Fact]
    public void Rows_are_added_to_the_beginnings_of_rows()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor term = rand([600, 400]);
        using ExactSum sum = new([1000, 900]);
        sum.AddRows(term, 300);
        Tensor expected = zeros([1000, 900], ScalarType.Float64);
        expected.narrow(0, 300, 600).narrow(1, 0, 400).copy_(term);
        Assert.True(sum.Value.equal(expected).all().item<bool>());
    }

    [Fact]
    public void Remainders_of_no_place_in_the_sum_are_refused()
    {
        string path = Path.GetTempFileName();
        try
        {
            SafetensorsWriter.Write(
                path,
                [TensorToWrite.From("a", new[] { 1.0, 2 }, 2), TensorToWrite.From("a.rest", new[] { 2.0, 1e-30 }, 1, 2)],
                new Dictionary<string, string>());
            using SafetensorsReader file = SafetensorsReader.Open(path);
            using ExactSum sum = new([2]);
            CheckpointFormatException fault =
                Assert.Throws<CheckpointFormatException>(() => sum.Restore(new SumReader(file, CPU), "a"));
            Assert.Contains("places", fault.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static Tensor[] Terms(ScalarType type, long rows, long columns)
    {
        using Generator random = new(5);
        return [.. Enumerable.Range(0, 12).Select(term =>
            (Random() * Random().Times(9).exp()).to(type).Times(term % 2 == 0 ? 1 : 1e-3))];

        Tensor Random() => randn([rows, columns], generator: random);
    }

    private static void AddSaved(ExactSum from, ExactSum to)
    {
        string path = Path.GetTempFileName();
        try
        {
            List<TensorToWrite> tensors = [];
            from.Save(new SumWriter(tensors), "part");
            SafetensorsWriter.Write(path, tensors, new Dictionary<string, string>());
            using SafetensorsReader file = SafetensorsReader.Open(path);
            to.Restore(new SumReader(file, CPU), "part");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] Bytes(ExactSum sum) => sum.Value.bytes.ToArray();

    /// <summary>The sum in integers of a unit that divides all terms, rounded by the conversion of a ratio.</summary>
    private static double Expected(double[] terms)
    {
        // The last bit of the smallest float64 with 52 more below it, so that no number loses a bit in units of 2^-1126.
        const int Unit = 1126;
        BigInteger sum = terms.Aggregate(BigInteger.Zero, (all, term) => all + InUnits(term, Unit));
        int spare = Math.Max(0, (int)BigInteger.Abs(sum).GetBitLength() - 60);
        BigInteger kept = sum >> spare;

        // What is cut off decides ties only, for which one bit is enough: below a kept number of 60 bits.
        bool isInexact = kept << spare != sum;
        BigInteger rounded = (kept << 1) | (isInexact ? 1 : 0);
        return Math.ScaleB(ToDouble(rounded), spare - 1 - Unit);
    }

    private static BigInteger InUnits(double value, int unit)
    {
        if (value == 0)
        {
            return BigInteger.Zero;
        }

        int exponent = Math.ILogB(value) - 52;
        return new BigInteger(Math.ScaleB(value, -exponent)) << (exponent + unit);
    }

    /// <summary>Rounds to 53 bits, half to even.</summary>
    private static double ToDouble(BigInteger value)
    {
        BigInteger size = BigInteger.Abs(value);
        int spare = Math.Max(0, (int)size.GetBitLength() - 53);
        BigInteger kept = size >> spare, left = size - (kept << spare), half = spare == 0 ? 1 : BigInteger.One << (spare - 1);
        kept += spare > 0 && (left > half || (left == half && !kept.IsEven)) ? 1 : 0;
        return value.Sign * Math.ScaleB((double)(ulong)kept, spare);
    }
}
