using SnapViT.Core.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>What a pass over images adds up, which can be put aside between two batches and taken up again to the last bit.</summary>
internal interface IRunningSums
{
    /// <summary>Names all sums; their values are copied only while they are written.</summary>
    void Save(SumWriter to);

    /// <summary>Takes up saved sums; nothing was added before.</summary>
    /// <exception cref="CheckpointFormatException">
    /// A sum is missing or has another shape; this object is good for nothing then but to be disposed.
    /// </exception>
    void Restore(SumReader from);
}

/// <summary>Collects named sums to be written.</summary>
internal sealed class SumWriter(List<TensorToWrite> tensors, string prefix = "")
{
    /// <summary>A writer for the sums of a part.</summary>
    public SumWriter Under(string part) => new(tensors, $"{prefix}{part}.");

    /// <summary>Adds a tensor of the caller, who keeps it until it is written.</summary>
    public void Add(string name, Tensor sum) => tensors.Add(ArchiveTensors.ToWrite(prefix + name, sum));

    /// <summary>Adds values, which are not copied.</summary>
    public void Add(string name, double[] values, params long[] shape) => tensors.Add(TensorToWrite.From(prefix + name, values, shape));

    /// <summary>Adds a number.</summary>
    public void Add(string name, double number) => tensors.Add(TensorToWrite.From(prefix + name, new[] { number }, 1));
}

/// <summary>Reads named sums back, one at a time.</summary>
/// <param name="archive">The file.</param>
/// <param name="device">Where sums are wanted.</param>
/// <param name="prefix">What stands before the names.</param>
internal sealed class SumReader(ITensorArchive archive, Device device, string prefix = "")
{
    /// <summary>The file.</summary>
    public string Path => archive.Path;

    /// <summary>Where sums are wanted.</summary>
    public Device Device => device;

    /// <summary>A reader of the sums of a part.</summary>
    public SumReader Under(string part) => new(archive, device, $"{prefix}{part}.");

    /// <summary>Names of all sums of this part, in the order of the file.</summary>
    public IEnumerable<string> Names => archive.Tensors.Keys
        .Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => name[prefix.Length..]);

    /// <summary>The shape of a sum.</summary>
    public long[] ShapeOf(string name) => [.. Entry(name).Shape];

    /// <summary>Whether there is a sum of a name.</summary>
    public bool Has(string name) => archive.Tensors.ContainsKey(prefix + name);

    /// <summary>A sum, float64; the caller disposes it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">The shape it must have; none for any.</param>
    public Tensor Read(string name, params long[] shape)
    {
        TensorEntry entry = Entry(name);
        if (shape.Length > 0 && !entry.Shape.SequenceEqual(shape))
        {
            throw new CheckpointFormatException(archive.Path, $"expected shape [{string.Join(", ", shape)}], found {entry}", prefix + name);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor sum = empty([.. entry.Shape], ScalarType.Float64);
        archive.Read(prefix + name, sum.bytes);
        return sum.isfinite().all().item<bool>()
            ? sum.to(device).MoveToOuterDisposeScope()
            : throw new CheckpointFormatException(archive.Path, "expected finite sums, found NaN or infinite ones", prefix + name);
    }

    /// <summary>A number.</summary>
    public double Number(string name) => Entry(name).ElementCount == 1
        ? archive.ReadDoubles(prefix + name)[0]
        : throw new CheckpointFormatException(archive.Path, $"expected one number, found {Entry(name)}", prefix + name);

    /// <summary>A number of images or the like, 0 or more.</summary>
    public long Count(string name) => Number(name) is >= 0 and <= int.MaxValue and double count && double.IsInteger(count)
        ? (long)count
        : throw new CheckpointFormatException(archive.Path, $"expected a count, found {Number(name)}", prefix + name);

    private TensorEntry Entry(string name) =>
        archive.Tensors.TryGetValue(prefix + name, out TensorEntry? entry) && entry.Type == TensorType.Float64
            ? entry
            : throw new CheckpointFormatException(archive.Path, "expected a sum in float64, found none", prefix + name);
}
