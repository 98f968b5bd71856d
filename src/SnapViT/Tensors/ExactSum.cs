using System.Numerics;
using System.Runtime.InteropServices;
using SnapViT.Core.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>
/// The exact sum of tensors, element by element: the same to the last bit in whatever order they are added, and however they are divided
/// among sums that are added in the end. Owns its tensor.
/// </summary>
/// <remarks>
/// An element is a float64, and where rounding lost something a remainder beside it: the error of every addition is found exactly (Knuth's
/// two-sum) and added up in further float64 (Shewchuk, 1997). Terms are mostly products in float32, whose 24 bits leave 29 spare ones, so
/// that next to no element has a remainder, and an exact sum takes the time and the memory of a plain one.
/// </remarks>
internal sealed class ExactSum : IDisposable
{
    /// <summary>Elements that are added by one thread at a time.</summary>
    private const int Run = 1 << 16;

    /// <summary>What the name of the remainders adds to that of a sum in a file.</summary>
    private const string RestName = ".rest";

    private readonly Tensor _sum;
    private readonly Remainders _rest = new();
    private bool _isRounded = true;

    /// <summary>A sum of nothing yet.</summary>
    /// <param name="shape">Shape of the terms.</param>
    /// <param name="device">Where the sum is kept; null for the CPU.</param>
    public ExactSum(long[] shape, Device? device = null) => _sum = zeros(shape, ScalarType.Float64, device).DetachFromDisposeScope();

    /// <summary>A sum that begins with values.</summary>
    /// <param name="values">Float64, contiguous; owned from here on.</param>
    public ExactSum(Tensor values) => _sum = values.DetachFromDisposeScope();

    /// <summary>The sum, every element rounded to the nearest float64; it stays this object's.</summary>
    public Tensor Value
    {
        get
        {
            lock (_rest)
            {
                Round();
            }

            return _sum;
        }
    }

    /// <summary>The sum of numbers, of a sum of one element.</summary>
    public double Number => Value.item<double>();

    /// <summary>Whether a name in a file is that of remainders, which belong to the sum of the name before it.</summary>
    public static bool IsRest(string name) => name.EndsWith(RestName, StringComparison.Ordinal);

    /// <summary>Adds a number to a sum of one element.</summary>
    public void Add(double number)
    {
        using Tensor term = tensor(new[] { number });
        Add(term);
    }

    /// <summary>Adds a tensor of floating numbers, which stays the caller's.</summary>
    public void Add(Tensor term)
    {
        long count = term.numel();
        if (count != _sum.numel())
        {
            throw new ArgumentException($"expected a term of {_sum.numel()} elements, found {count}", nameof(term));
        }

        int length = (int)Math.Min(count, Run);
        Add(term, (int)((count + length - 1) / Math.Max(1, length)), length, 0, length);
    }

    /// <summary>Adds to a part of a matrix: to whole rows or to the beginnings of rows.</summary>
    /// <param name="term">What is added, [rows, columns]; stays the caller's.</param>
    /// <param name="first">The first of these rows in the matrix.</param>
    public void AddRows(Tensor term, long first)
    {
        long width = _sum.shape[1];
        Add(term, (int)term.shape[0], (int)term.shape[1], first * width, width);
    }

    /// <summary>Names the sum and its remainders for a file.</summary>
    public void Save(SumWriter to, string name)
    {
        to.Add(name, _sum);
        double[] rest = _rest.ToArray();
        if (rest.Length > 0)
        {
            to.Add(name + RestName, rest, rest.Length / 2, 2);
        }
    }

    /// <summary>Adds a sum that was saved, exactly.</summary>
    /// <exception cref="CheckpointFormatException">It is missing or of another shape.</exception>
    public void Restore(SumReader from, string name)
    {
        using (Tensor saved = from.Read(name, _sum.shape))
        {
            Add(saved);
        }

        if (!from.Has(name + RestName))
        {
            return;
        }

        using Tensor rest = from.Read(name + RestName);
        using Tensor onCpu = rest.cpu();
        if (onCpu.shape is not [_, 2])
        {
            throw new CheckpointFormatException(from.Path, "expected places and remainders, found another shape", name + RestName);
        }

        ReadOnlySpan<double> pairs = MemoryMarshal.Cast<byte, double>(onCpu.bytes);
        for (int i = 0; i < pairs.Length; i += 2)
        {
            if (!(pairs[i] >= 0 && pairs[i] < _sum.numel() && double.IsInteger(pairs[i])))
            {
                throw new CheckpointFormatException(from.Path, $"expected places in the sum, found {pairs[i]}", name + RestName);
            }

            _rest.Add((long)pairs[i], pairs[i + 1]);
        }

        _isRounded = false;
    }

    /// <inheritdoc/>
    public void Dispose() => _sum.Dispose();

    /// <summary>Adds runs of elements that lie behind each other in the term, and at equal distances in the sum.</summary>
    private void Add(Tensor term, int runs, int length, long start, long stride)
    {
        _isRounded = false;
        if (_sum.device_type != DeviceType.CPU)
        {
            AddOnDevice(term, runs, length, start, stride);
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        bool isDouble = term.dtype == ScalarType.Float64;
        Tensor values = term.to(isDouble ? ScalarType.Float64 : ScalarType.Float32).cpu().contiguous();
        long count = values.numel();
        int degree = count < 2 * Run ? 1 : SideBySide.Free;
        if (degree == 1)
        {
            for (int run = 0; run < runs; run++)
            {
                AddRun(run);
            }

            return;
        }

        Parallel.For(0, runs, new ParallelOptions { MaxDegreeOfParallelism = degree }, AddRun);

        void AddRun(int run)
        {
            int from = run * length, size = (int)Math.Min(length, count - from);
            long to = start + (run * stride);
            Span<double> sum = MemoryMarshal.Cast<byte, double>(_sum.bytes).Slice((int)to, size);
            if (isDouble)
            {
                AddDoubles(MemoryMarshal.Cast<byte, double>(values.bytes).Slice(from, size), sum, to);
            }
            else
            {
                AddSingles(MemoryMarshal.Cast<byte, float>(values.bytes).Slice(from, size), sum, to);
            }
        }
    }

    private void AddSingles(ReadOnlySpan<float> term, Span<double> sum, long place)
    {
        int i = 0, half = Vector<double>.Count;
        for (; i <= term.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(term[i..]), out Vector<double> low, out Vector<double> high);
            Vector<double> lostLow = AddVector(sum[i..], low), lostHigh = AddVector(sum[(i + half)..], high);
            if (!Vector.EqualsAll(lostLow | lostHigh, Vector<double>.Zero))
            {
                Keep(lostLow, place + i);
                Keep(lostHigh, place + i + half);
            }
        }

        for (; i < term.Length; i++)
        {
            AddOne(ref sum[i], term[i], place + i);
        }
    }

    private void AddDoubles(ReadOnlySpan<double> term, Span<double> sum, long place)
    {
        int i = 0;
        for (; i <= term.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            Vector<double> lost = AddVector(sum[i..], new Vector<double>(term[i..]));
            if (!Vector.EqualsAll(lost, Vector<double>.Zero))
            {
                Keep(lost, place + i);
            }
        }

        for (; i < term.Length; i++)
        {
            AddOne(ref sum[i], term[i], place + i);
        }
    }

    /// <summary>Adds, and gives what rounding lost.</summary>
    private static Vector<double> AddVector(Span<double> sum, Vector<double> term)
    {
        Vector<double> before = new(sum), after = before + term, added = after - before;
        after.CopyTo(sum);
        return (before - (after - added)) + (term - added);
    }

    private void AddOne(ref double sum, double term, long place)
    {
        (sum, double lost) = Remainders.TwoSum(sum, term);
        if (lost != 0)
        {
            _rest.Add(place, lost);
        }
    }

    private void Keep(Vector<double> lost, long place)
    {
        for (int lane = 0; lane < Vector<double>.Count; lane++)
        {
            if (lost[lane] != 0)
            {
                _rest.Add(place + lane, lost[lane]);
            }
        }
    }

    /// <summary>The same in tensors; the few remainders come to the CPU.</summary>
    private void AddOnDevice(Tensor term, int runs, int length, long start, long stride)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        bool isPart = stride != length;
        Tensor added = term.to(_sum.device).to(ScalarType.Float64);
        Tensor flat = _sum.view(-1);
        Tensor sum = isPart
            ? flat.narrow(0, start, (runs * stride)).view(runs, stride).narrow(1, 0, length)
            : flat;
        Tensor by = isPart ? added.view(runs, length) : added.reshape(-1);
        Tensor after = sum.Plus(by), grown = after.Minus(sum);
        Tensor lost = sum.Minus(after.Minus(grown)).Plus(by.Minus(grown)).reshape(-1);
        sum.copy_(after);
        long[] places = lost.nonzero().reshape(-1).cpu().data<long>().ToArray();
        double[] values = lost.index_select(0, tensor(places, device: lost.device)).cpu().data<double>().ToArray();
        for (int i = 0; i < places.Length; i++)
        {
            long place = isPart ? start + (places[i] / length * stride) + (places[i] % length) : places[i];
            _rest.Add(place, values[i]);
        }
    }

    private void Round()
    {
        if (_isRounded || _rest.IsEmpty)
        {
            return;
        }

        using Tensor onCpu = _sum.cpu();
        _rest.RoundInto(MemoryMarshal.Cast<byte, double>(onCpu.bytes));
        if (_sum.device_type != DeviceType.CPU)
        {
            _sum.copy_(onCpu);
        }

        _isRounded = true;
    }
}
