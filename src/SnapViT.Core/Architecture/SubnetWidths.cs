using System.Collections;

namespace SnapViT.Core.Architecture;

/// <summary>What one block keeps. Either may be 0: the branch is then its bias alone.</summary>
/// <param name="Heads">Attention heads, 0..A.</param>
/// <param name="Neurons">Hidden neurons of the MLP, 0..H.</param>
public readonly record struct BlockWidths(int Heads, int Neurons)
{
    /// <summary>What is kept along one axis.</summary>
    public int this[Axis axis] => axis == Axis.Heads ? Heads : Neurons;
}

/// <summary>The widths of all blocks of a model, in order; compared by value.</summary>
public sealed class SubnetWidths : IReadOnlyList<BlockWidths>, IEquatable<SubnetWidths>
{
    private readonly BlockWidths[] _blocks;

    /// <summary>Takes a copy of the widths of every block.</summary>
    /// <param name="blocks">One entry per block.</param>
    /// <exception cref="ArgumentException">No block, or a negative width.</exception>
    public SubnetWidths(IEnumerable<BlockWidths> blocks)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        _blocks = [.. blocks];
        if (_blocks.Length == 0)
        {
            throw new ArgumentException("a model has at least one block", nameof(blocks));
        }

        for (int block = 0; block < _blocks.Length; block++)
        {
            if (_blocks[block].Heads < 0 || _blocks[block].Neurons < 0)
            {
                throw new ArgumentException($"block {block}: widths must not be negative, found {_blocks[block]}", nameof(blocks));
            }
        }
    }

    /// <summary>The same widths in every block.</summary>
    public static SubnetWidths Uniform(int depth, BlockWidths widths) => new(Enumerable.Repeat(widths, depth));

    /// <summary>Number of blocks, L.</summary>
    public int Count => _blocks.Length;

    /// <summary>The widths of one block, 0..L-1.</summary>
    public BlockWidths this[int block] => _blocks[block];

    /// <summary>Heads of all blocks.</summary>
    public int TotalHeads => _blocks.Sum(block => block.Heads);

    /// <summary>Neurons of all blocks.</summary>
    public int TotalNeurons => _blocks.Sum(block => block.Neurons);

    /// <inheritdoc/>
    public bool Equals(SubnetWidths? other) => other is not null && _blocks.AsSpan().SequenceEqual(other._blocks);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SubnetWidths);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (BlockWidths block in _blocks)
        {
            hash.Add(block);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(' ', _blocks.Select(block => $"{block.Heads}h/{block.Neurons}n"));

    /// <inheritdoc/>
    public IEnumerator<BlockWidths> GetEnumerator() => ((IEnumerable<BlockWidths>)_blocks).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
