using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace SnapViT.Core.Architecture;

/// <summary>
/// What one block keeps of every axis: the first so many of its units in their order. 0 heads or neurons are allowed: the branch is then
/// its bias alone. As JSON an object with one number per axis, by its name.
/// </summary>
[JsonConverter(typeof(Converter))]
public readonly struct BlockWidths : IEquatable<BlockWidths>
{
    private readonly PerAxis<int> _widths;

    internal BlockWidths(PerAxis<int> widths) => _widths = widths;

    /// <summary>Units kept of an axis, 0..the axis's count; 0 where nothing is said.</summary>
    public int this[Axis axis]
    {
        get => _widths.Get(axis);
        init => _widths = _widths.With(axis, value);
    }

    /// <summary>Whether two blocks keep the same.</summary>
    public static bool operator ==(BlockWidths left, BlockWidths right) => left.Equals(right);

    /// <summary>Whether two blocks keep different widths.</summary>
    public static bool operator !=(BlockWidths left, BlockWidths right) => !left.Equals(right);

    /// <summary>The same with another width of one axis.</summary>
    public BlockWidths With(Axis axis, int width) => new(_widths.With(axis, width));

    /// <inheritdoc/>
    public bool Equals(BlockWidths other) => _widths.Equals(other._widths);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BlockWidths other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _widths.GetHashCode();

    /// <summary>The widths with the first letter of their axis, such as <c>3h/64q/64v/197t/384n</c>.</summary>
    public override string ToString()
    {
        PerAxis<int> widths = _widths;
        return string.Join('/', AxisTable.Rows
            .Where(row => row.IsScored || widths.Get(row.Axis) > 0)
            .Select(row => $"{widths.Get(row.Axis)}{row.Label[0]}"));
    }

    private sealed class Converter : JsonConverter<BlockWidths>
    {
        public override BlockWidths Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            Dictionary<string, int> found = JsonSerializer.Deserialize<Dictionary<string, int>>(ref reader)
                ?? throw new JsonException("expected widths, found null");
            Dictionary<string, int> widths = new(found, StringComparer.OrdinalIgnoreCase);
            string Name(AxisFacts row) => options.PropertyNamingPolicy?.ConvertName(row.Key) ?? row.Key;
            if (widths.Keys.FirstOrDefault(
                key => AxisTable.Rows.All(row => !key.Equals(Name(row), StringComparison.OrdinalIgnoreCase))) is string unknown)
            {
                throw new JsonException(
                    $"expected widths of {string.Join(", ", AxisTable.Rows.Select(Name))}, found '{unknown}'");
            }

            return new BlockWidths(PerAxis<int>.Of(row => widths.GetValueOrDefault(Name(row))));
        }

        public override void Write(Utf8JsonWriter writer, BlockWidths value, JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            foreach (AxisFacts row in AxisTable.Rows)
            {
                writer.WriteNumber(options.PropertyNamingPolicy?.ConvertName(row.Key) ?? row.Key, value[row.Axis]);
            }

            writer.WriteEndObject();
        }
    }
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
            if (AxisTable.Rows.Any(row => _blocks[block][row.Axis] < 0))
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

    /// <summary>Units of an axis that all blocks keep together.</summary>
    public int Total(Axis axis) => _blocks.Sum(block => block[axis]);

    /// <summary>The same with another width of one axis in one block.</summary>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="width">Its width, 0 or more.</param>
    public SubnetWidths With(int block, Axis axis, int width) =>
        new(_blocks.Select((widths, index) => index == block ? widths.With(axis, width) : widths));

    /// <summary>Checks that every block fits into an architecture.</summary>
    /// <exception cref="ArgumentException">Another number of blocks, or a block wider than the architecture's.</exception>
    public void RequireFit(ViTArchitecture architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        if (Count != architecture.Depth)
        {
            throw new ArgumentException($"widths: expected {architecture.Depth} blocks, found {Count}");
        }

        for (int block = 0; block < Count; block++)
        {
            foreach (AxisFacts row in AxisTable.Rows)
            {
                int width = _blocks[block][row.Axis], most = row.Count(architecture);
                if (width > most)
                {
                    throw new ArgumentException($"block {block}: expected at most {most} {row.Label}, found {width}");
                }
            }

            if (_blocks[block][Axis.Heads] > 0 && Math.Min(_blocks[block][Axis.QueryKeyDims], _blocks[block][Axis.ValueDims]) < 1)
            {
                throw new ArgumentException($"block {block}: expected heads of at least 1 dimension, found {_blocks[block]}");
            }

            if (_blocks[block][Axis.Heads] > 0
                && _blocks[block][Axis.QueryKeyDims] % AxisTable.Of(Axis.QueryKeyDims).Grain(architecture) != 0)
            {
                throw new ArgumentException(
                    $"block {block}: expected an even number of q/k dims, for rotary positions turn pairs, found {_blocks[block]}");
            }

            if (TokenFault(architecture, block) is string fault)
            {
                throw new ArgumentException($"block {block}: {fault}");
            }
        }
    }

    /// <summary>The same widths for images of another size: blocks keep the share of the patch tokens that they kept.</summary>
    /// <param name="from">The architecture that they are of.</param>
    /// <param name="to">The same for images of another size.</param>
    internal SubnetWidths AtImageSize(ViTArchitecture from, ViTArchitecture to)
    {
        List<BlockWidths> blocks = [];
        int into = to.Tokens;
        for (int block = 0; block < Count; block++)
        {
            int kept = _blocks[block][Axis.Tokens];
            bool isPooled = block == Count - 1 && from.PooledTokens > 0 && kept < TokensInto(from, block);
            long patches = ((kept - from.PrefixTokens) * (long)to.Patches + from.Patches - 1) / from.Patches;
            int left = isPooled ? kept : Math.Clamp(to.PrefixTokens + (int)patches, FewestTokens(to, into), into);
            blocks.Add(_blocks[block].With(Axis.Tokens, left));
            into = left;
        }

        return new SubnetWidths(blocks);
    }

    /// <summary>Tokens that enter a block: those that leave the one before it.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    internal int TokensInto(ViTArchitecture architecture, int block) => block == 0 ? architecture.Tokens : _blocks[block - 1][Axis.Tokens];

    /// <summary>The fewest tokens that can leave a block: half of the patch tokens that enter it can be merged, no other token.</summary>
    /// <param name="architecture">The model.</param>
    /// <param name="into">Tokens that enter it.</param>
    internal static int FewestTokens(ViTArchitecture architecture, int into) => into - ((into - architecture.PrefixTokens) / 2);

    private string? TokenFault(ViTArchitecture architecture, int block)
    {
        int into = TokensInto(architecture, block), left = _blocks[block][Axis.Tokens];
        if (left == into || (block == Count - 1 && architecture.PooledTokens > 0 && left == architecture.PooledTokens))
        {
            return null;
        }

        int fewest = FewestTokens(architecture, into);
        return block == Count - 1 && architecture.PooledTokens > 0
            ? $"expected {into} tokens, as many as enter the last block, or the {architecture.PooledTokens} that are pooled, found {left}"
            : left < fewest || left > into ? $"expected {fewest} to {into} tokens, for {into} enter it, found {left}" : null;
    }

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
    public override string ToString() => string.Join(' ', _blocks);

    /// <inheritdoc/>
    public IEnumerator<BlockWidths> GetEnumerator() => ((IEnumerable<BlockWidths>)_blocks).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
