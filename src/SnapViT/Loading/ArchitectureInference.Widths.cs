using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Loading;

/// <content>Heads and neurons, of the unpruned model and of every block.</content>
internal sealed partial class ArchitectureInference
{
    private (int Hidden, int Heads) HiddenAndHeads()
    {
        int largest = _shapes.PoolNeurons ?? _shapes.Neurons.Max();
        (string Name, int Hidden, int Heads)? known = KnownModels.FindUnpruned(_shapes.Width, _shapes.Depth, _shapes.Mlp) is (string, int, int) row
            && (row.Item2 == largest || (_shapes.IsPruned && row.Item2 > largest)) ? row : null;
        int hidden = _shapes.IsPruned ? known?.Hidden ?? largest : largest;
        if (_shapes.IsPruned)
        {
            string source = hidden == _shapes.PoolNeurons ? "shapes of the attention pool, which is never cut"
                : known is (string name, _, _) ? TableOf(name)
                : "its widest block";
            _sources.Add((string.Create(CultureInfo.InvariantCulture, $"neurons of the unpruned model {hidden}"), source));
        }

        return (hidden, Heads(known));
    }

    private int Heads((string Name, int Hidden, int Heads)? known)
    {
        if (_config.Heads is int configured)
        {
            return Sourced("heads", RequireHeads(ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, configured, _config.Source), _config.Source), _config.Source);
        }

        if (_published is not null)
        {
            string source = TableOf(_published.Name);
            return Sourced("heads", ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, _published.Heads, source), source);
        }

        return _hints.Heads is int passed ? Sourced("heads", RequireHeads(passed, "--num-heads"), "--num-heads")
            : known is (string name, _, int heads) ? Sourced("heads", heads, TableOf(name))
            : throw new CheckpointFormatException(
                _archive.Path,
                $"width {_shapes.Width}, {_shapes.Depth} blocks and {_shapes.Neurons.Max()} neurons fit no known model; pass --num-heads, the attention heads per block");
    }

    private int RequireHeads(int heads, string source) => heads > 0 && _shapes.Width % heads == 0
        ? heads
        : throw new CheckpointFormatException(_archive.Path, $"{source}: expected heads that divide the width {_shapes.Width}, found {heads}");

    private SubnetWidths Widths(ViTArchitecture a) => new(Enumerable.Range(0, a.Depth).Select(block => new BlockWidths(BlockHeads(a, block), BlockNeurons(a, block))));

    private int BlockHeads(ViTArchitecture a, int block) => _shapes.AttentionWidths[block] is int columns && columns % a.HeadWidth == 0 && columns <= a.Width
        ? columns / a.HeadWidth
        : throw new CheckpointFormatException(
            _archive.Path,
            $"expected a multiple of the head width {a.HeadWidth} up to {a.Width}, found {_shapes.AttentionWidths[block]} columns",
            _archive.NameInFile($"blocks.{block}.attn.proj.weight"));

    private int BlockNeurons(ViTArchitecture a, int block) => _shapes.Neurons[block] <= a.Hidden
        ? _shapes.Neurons[block]
        : throw new CheckpointFormatException(_archive.Path, $"block {block}: expected at most {a.Hidden} neurons, found {_shapes.Neurons[block]}");
}
