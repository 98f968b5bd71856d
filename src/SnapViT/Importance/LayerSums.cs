using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>One exact sum per layer, of whatever shape is added first. Owns its tensors.</summary>
internal sealed class LayerSums : IRunningSums, IDisposable
{
    private readonly Dictionary<(int Block, BlockLinear Layer), ExactSum> _sums = [];

    /// <summary>The sum of one layer; it stays this object's.</summary>
    public Tensor this[int block, BlockLinear layer] => _sums[(block, layer)].Value;

    /// <summary>Adds to the sum of one layer; the tensor stays the caller's.</summary>
    public void Add(int block, BlockLinear layer, Tensor term)
    {
        if (!_sums.TryGetValue((block, layer), out ExactSum? sum))
        {
            _sums.Add((block, layer), sum = new ExactSum(term.shape, term.device));
        }

        sum.Add(term);
    }

    /// <inheritdoc/>
    public void Save(SumWriter to)
    {
        foreach (((int block, BlockLinear layer), ExactSum sum) in _sums)
        {
            sum.Save(to, string.Create(CultureInfo.InvariantCulture, $"{block}.{layer}"));
        }
    }

    /// <inheritdoc/>
    public void Restore(SumReader from)
    {
        foreach (string name in from.Names.Where(name => !ExactSum.IsRest(name)))
        {
            string[] parts = name.Split('.');
            if (parts is not [string first, string second]
                || !int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int block)
                || !Enum.TryParse(second, out BlockLinear layer))
            {
                throw new CheckpointFormatException(from.Path, "expected the sum of a layer, found another name", name);
            }

            ExactSum sum = new(from.ShapeOf(name), from.Device);
            _sums.Add((block, layer), sum);
            sum.Restore(from, name);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ExactSum sum in _sums.Values)
        {
            sum.Dispose();
        }
    }
}
