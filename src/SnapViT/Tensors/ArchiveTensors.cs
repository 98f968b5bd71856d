using SnapViT.Core.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>Tensors from and to checkpoint files.</summary>
internal static class ArchiveTensors
{
    private static readonly Dictionary<TensorType, ScalarType> ScalarTypes = new()
    {
        [TensorType.Float64] = ScalarType.Float64,
        [TensorType.Float32] = ScalarType.Float32,
        [TensorType.Float16] = ScalarType.Float16,
        [TensorType.BFloat16] = ScalarType.BFloat16,
    };

    /// <summary>Reads one tensor as float32, whatever floating type it has in the file.</summary>
    /// <exception cref="CheckpointFormatException">It is no floating-point tensor, or holds NaN or infinity.</exception>
    public static Tensor ReadFloat32(this ITensorArchive archive, string name)
    {
        TensorEntry entry = archive.Tensors[name];
        if (!ScalarTypes.TryGetValue(entry.Type, out ScalarType type))
        {
            throw new CheckpointFormatException(
                archive.Path, $"expected a floating-point tensor, found {entry.Type.SafetensorsName()}", name);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor raw = empty([.. entry.Shape], type);
        archive.Read(name, raw.bytes);
        Tensor values = raw.to(ScalarType.Float32);
        RequireFinite(archive, name, values);
        return values.MoveToOuterDisposeScope();
    }

    /// <summary>One tensor to be written, in its own type; its values are copied only while they are written.</summary>
    internal static TensorToWrite ToWrite(string name, Tensor tensor) => ToWrite(name, tensor.dtype, tensor.shape, tensor.alias);

    /// <summary>One tensor to be written that is made only while it is written.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="dtype">Type of its elements.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="make">Makes it; disposed when it is written.</param>
    internal static TensorToWrite ToWrite(string name, ScalarType dtype, IEnumerable<long> shape, Func<Tensor> make)
    {
        TensorType type = ScalarTypes.First(pair => pair.Value == dtype).Key;
        return new TensorToWrite(name, type, shape, stream =>
        {
            using IDisposable frozen = no_grad();
            using Tensor tensor = make();
            using Tensor cpu = tensor.cpu();
            using Tensor contiguous = cpu.contiguous();
            stream.Write(contiguous.bytes);
        });
    }

    private static void RequireFinite(ITensorArchive archive, string name, Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        long broken = values.isfinite().logical_not().sum().item<long>();
        if (broken > 0)
        {
            throw new CheckpointFormatException(
                archive.Path, $"expected finite values, found {broken} NaN or infinite of {values.numel()}", name);
        }
    }
}
