using System.Reflection;
using Xunit.v3;

namespace SnapViT.Tests;

/// <summary>
/// Fails a test (or every test of a class) that leaves more undisposed tensors than it found. What the constructor of the test class
/// made is counted as found; what a fixture makes lazily during the test is not, so fixtures make theirs beforehand.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class LeakCheckAttribute : BeforeAfterTestAttribute
{
    // Tests run one after another (xunit.runner.json), so one field serves them all.
    private long before;

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => before = LiveTensors.Undisposed();

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        long leaked = LiveTensors.Undisposed() - before;
        Assert.True(leaked <= 0, $"{methodUnderTest.DeclaringType?.Name}.{methodUnderTest.Name} left {leaked} tensors undisposed.");
    }
}
