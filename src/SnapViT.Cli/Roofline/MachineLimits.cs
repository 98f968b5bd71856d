using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Cli.Roofline;

/// <summary>
/// What the machine reaches in plain matrix products, <c>F.linear</c> alone, and in copying memory. Products are of the sizes of ViT-S, of
/// ViT-B, and square; the threads share one product, or each has its own: the fastest counts.
/// </summary>
internal sealed class MachineLimits : IDisposable
{
    private const int Repeats = 4, Trials = 3;
    private const long CopiedFloats = 1 << 25;

    /// <summary>Rows, inputs and outputs of a product.</summary>
    private static readonly (long Rows, long Inputs, long Outputs)[] Sizes = [(3152, 384, 1536), (3152, 768, 3072), (2048, 2048, 2048)];

    private readonly Device _device;
    private readonly Dictionary<LimitKind, Product> _products = [];
    private readonly Tensor _from, _to;

    /// <summary>Finds the fastest product of every precision.</summary>
    /// <param name="precisions">Float32, bfloat16, or both.</param>
    /// <param name="device">Where.</param>
    public MachineLimits(IEnumerable<ScalarType> precisions, Device device)
    {
        _device = device;
        _from = ones([CopiedFloats], device: device).DetachFromDisposeScope();
        _to = empty_like(_from).DetachFromDisposeScope();
        foreach (ScalarType precision in precisions)
        {
            _products[KindOf(precision)] = Fastest(precision);
        }

        for (int trial = 0; trial < Trials; trial++)
        {
            Measure(LimitKind.Memory);
        }
    }

    /// <summary>The best rate so far of everything that was measured: FLOPs or bytes a second.</summary>
    public SortedDictionary<LimitKind, double> Best { get; } = [];

    /// <summary>Which product it is that counts.</summary>
    public IEnumerable<(LimitKind Kind, string Size)> Products => _products.Select(entry => (entry.Key, entry.Value.ToString()));

    /// <summary>The limit of products in a precision.</summary>
    public static LimitKind KindOf(ScalarType precision) =>
        precision == ScalarType.BFloat16 ? LimitKind.GemmBf16 : LimitKind.GemmFp32;

    /// <summary>Measures a limit once more.</summary>
    /// <param name="kind">Which.</param>
    /// <returns>FLOPs or bytes a second.</returns>
    public double Measure(LimitKind kind)
    {
        double rate = kind == LimitKind.Memory
            ? 2.0 * sizeof(float) * CopiedFloats / StageTimer.Once(() => _to.copy_(_from))
            : _products[kind].Rate();
        Best[kind] = Math.Max(Best.GetValueOrDefault(kind), rate);
        return rate;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Product product in _products.Values)
        {
            product.Dispose();
        }

        _from.Dispose();
        _to.Dispose();
    }

    private Product Fastest(ScalarType precision)
    {
        Product? fastest = null;
        double most = 0;
        foreach ((long rows, long inputs, long outputs) in Sizes)
        {
            foreach (bool beside in _device.type == DeviceType.CPU ? new[] { false, true } : [false])
            {
                Product product = new(rows, inputs, outputs, precision, _device, beside);
                double rate = Enumerable.Range(0, Trials).Max(_ => product.Rate());
                (Product? slower, fastest) = rate > most ? (fastest, product) : (product, fastest);
                most = Math.Max(most, rate);
                slower?.Dispose();
            }
        }

        Best[KindOf(precision)] = most;
        return fastest!;
    }

    /// <summary>A layer of [rows, inputs] by [inputs, outputs], repeated until it is long enough to time.</summary>
    private sealed class Product(long rows, long inputs, long outputs, ScalarType precision, Device device, bool beside) : IDisposable
    {
        private readonly Tensor _x = Of(precision, 1, device, rows, inputs);
        private readonly Tensor _weight = Of(precision, 2, device, outputs, inputs);

        public double Rate()
        {
            int products = Repeats * (beside ? SideBySide.Free : 1);
            int[] pieces = [.. Enumerable.Range(0, products)];
            double seconds = StageTimer.Once(() =>
            {
                if (beside)
                {
                    SideBySide.Run(pieces, _ => Once());
                }
                else
                {
                    Array.ForEach(pieces, _ => Once());
                }
            });
            return products * 2.0 * rows * inputs * outputs / seconds;
        }

        public void Dispose()
        {
            _x.Dispose();
            _weight.Dispose();
        }

        public override string ToString() =>
            $"[{rows}, {inputs}] x [{inputs}, {outputs}], {(beside ? "one a thread" : "threads share one")}";

        private bool Once()
        {
            using Tensor product = F.linear(_x, _weight);
            return true;
        }

        private static Tensor Of(ScalarType precision, ulong seed, Device device, params long[] shape)
        {
            using Tensor normal = RandomModel.Normal(shape, seed, device);
            return normal.to(precision, copy: true).DetachFromDisposeScope();
        }
    }
}
