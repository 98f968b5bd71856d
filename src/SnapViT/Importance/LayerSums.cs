using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>One sum per layer in float64, of whatever shape is added first. Owns its tensors.</summary>
internal sealed class LayerSums : IRunningSums, IDisposable
{
    private readonly Dictionary<(int Block, BlockLinear Layer), Tensor> _sums = [];

    /// <summary>The sum of one layer; it stays this object's.</summary>
    public Tensor this[int block, BlockLinear layer] => _sums[(block, layer)];

    /// <summary>Adds to the sum of one layer; the tensor stays the caller's.</summary>
    public void Add(int block, BlockLinear layer, Tensor term)
    {
        if (_sums.TryGetValue((block, layer), out Tensor? sum))
        {
            sum.AddInPlace(term);
            return;
        }

        using Tensor converted = term.to(ScalarType.Float64);
        _sums.Add((block, layer), converted.clone().DetachFromDisposeScope());
    }

    /// <inheritdoc/>
    public void Save(SumWriter to)
    {
        foreach (((int block, BlockLinear layer), Tensor sum) in _sums)
        {
            to.Add(string.Create(CultureInfo.InvariantCulture, $"{block}.{layer}"), sum);
        }
    }

    /// <inheritdoc/>
    public void Restore(SumReader from)
    {
        foreach (string name in from.Names)
        {
            string[] parts = name.Split('.');
            if (parts is not [string first, string second]
                || !int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int block)
                || !Enum.TryParse(second, out BlockLinear layer))
            {
                throw new CheckpointFormatException(from.Path, "expected the sum of a layer, found another name", name);
            }

            _sums.Add((block, layer), from.Read(name).DetachFromDisposeScope());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor sum in _sums.Values)
        {
            sum.Dispose();
        }
    }
}
