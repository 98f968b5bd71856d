using SnapViT.Cli.Roofline;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Benchmarks;

/// <summary>The yardstick: a plain <c>F.linear</c> of the size of the workload's, [rows, input] by [input, output], and nothing else.</summary>
internal sealed class Gemm(long rows, long input, long output, ScalarType precision, Device device) : IDisposable
{
    private const int Repeats = 16;

    private readonly Tensor _x = RandomModel.Normal([rows, input], seed: 1, device).to(precision);
    private readonly Tensor _weight = RandomModel.Normal([output, input], seed: 2, device).to(precision);
    private readonly Tensor _bias = RandomModel.Normal([output], seed: 3, device).to(precision);

    /// <summary>Its size.</summary>
    public string Shape => $"[{rows}, {input}] x [{input}, {output}]";

    /// <summary>FLOPs of one <see cref="Run"/>.</summary>
    public double Flops => Repeats * 2.0 * rows * input * output;

    /// <summary>Repeats the product until it is long enough to time.</summary>
    public void Run()
    {
        for (int i = 0; i < Repeats; i++)
        {
            F.linear(_x, _weight, _bias).Dispose();
        }
    }

    public void Dispose()
    {
        _x.Dispose();
        _weight.Dispose();
        _bias.Dispose();
    }
}
