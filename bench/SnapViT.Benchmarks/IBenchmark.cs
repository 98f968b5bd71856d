using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>One benchmark: to add another, write a class of this kind and name it in <see cref="Program"/>.</summary>
internal interface IBenchmark
{
    /// <summary>The name that <c>--only</c> takes.</summary>
    string Name { get; }

    /// <summary>Measures, one row per case.</summary>
    /// <param name="device">Where networks run.</param>
    IEnumerable<ResultRow> Run(Device device);
}
