using System.Runtime.Intrinsics.X86;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Tests.Tensors;

/// <summary>What <c>--precision auto</c> means on this machine.</summary>
public sealed class BFloat16SpeedTests
{
    [Fact]
    public void Auto_is_bfloat16_exactly_where_it_was_measured_to_be_faster()
    {
        bool isNative = !X86Base.IsSupported || (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        ScalarType expected = isNative && BFloat16Speed.Ratio > 1.3 ? ScalarType.BFloat16 : ScalarType.Float32;
        Assert.Equal(expected, ComputeSettings.ParsePrecision("auto", CPU));
        Assert.Equal(ScalarType.Float32, ComputeSettings.ParsePrecision("fp32", CPU));
        Assert.Equal(ScalarType.BFloat16, ComputeSettings.ParsePrecision("bf16", CPU));
    }
}
