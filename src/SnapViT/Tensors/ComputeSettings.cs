using SnapViT.Core.Errors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tensors;

/// <summary>Device and precision as people name them.</summary>
internal static class ComputeSettings
{
    /// <summary>The device of a name.</summary>
    /// <param name="name"><c>cpu</c> or <c>cuda</c>.</param>
    /// <exception cref="SnapViTException">Another name, or no such device here.</exception>
    public static Device ParseDevice(string name) => name switch
    {
        "cpu" => CPU,
        "cuda" when cuda.is_available() => CUDA,
        "cuda" => throw new SnapViTException(
            ErrorKind.Option, "device: expected cpu, found cuda, which this machine or this build of libtorch does not have"),
        _ => throw new SnapViTException(ErrorKind.Option, $"device: expected cpu or cuda, found '{name}'"),
    };

    /// <summary>The precision of a name.</summary>
    /// <param name="name"><c>fp32</c>, <c>bf16</c>, or <c>auto</c>: bf16 where the device is faster in it, else fp32.</param>
    /// <param name="device">The device.</param>
    /// <exception cref="SnapViTException">Another name.</exception>
    public static ScalarType ParsePrecision(string name, Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return name switch
        {
            "fp32" => ScalarType.Float32,
            "bf16" => ScalarType.BFloat16,
            "auto" => device.type == DeviceType.CUDA || BFloat16Speed.IsFaster ? ScalarType.BFloat16 : ScalarType.Float32,
            _ => throw new SnapViTException(ErrorKind.Option, $"precision: expected fp32, bf16 or auto, found '{name}'"),
        };
    }
}
