using SnapViT.Tensors;
using TorchSharp;

namespace SnapViT.Tests.Tensors;

public sealed class TorchRuntimeTests
{
    [Fact]
    public void A_tensor_operation_runs()
    {
        using torch.Tensor twos = torch.ones(2, 3) * 2;
        using torch.Tensor sum = twos.sum();
        Assert.Equal(12f, sum.item<float>());
    }

    [Fact]
    public void Loading_twice_does_nothing_more()
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.EnsureLoaded();
    }
}
