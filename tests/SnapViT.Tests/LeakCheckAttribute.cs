using System.Reflection;
using Xunit.v3;
using static TorchSharp.torch;

namespace SnapViT.Tests;

/// <summary>Fails a test that leaves more live tensors than it found. Tests that touch torch run one after another, so the count is theirs.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LeakCheckAttribute : BeforeAfterTestAttribute
{
    private long _before;

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => _before = Tensor.TotalCount;

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        long left = Tensor.TotalCount - _before;
        if (left > 0)
        {
            throw new InvalidOperationException($"{left} tensors were left behind");
        }
    }
}
