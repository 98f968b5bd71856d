using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Formats;

/// <summary>Turns the canonical tensors of a model into those of a file of another format: the tables read backwards.</summary>
internal static class StateDictWriter
{
    /// <summary>Renames, splits and packs tensors.</summary>
    /// <param name="format">The format to write.</param>
    /// <param name="architecture">The model's architecture.</param>
    /// <param name="tensors">All tensors of the model, by canonical name.</param>
    /// <returns>The tensors of the file, in the order of the canonical ones; every value is the same bits.</returns>
    /// <exception cref="SnapViTException">The format has no name for a tensor, or cannot say what it holds.</exception>
    public static IReadOnlyList<TensorToWrite> ToFormat(
        StateDictFormat format, ViTArchitecture architecture, IEnumerable<TensorToWrite> tensors)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(tensors);
        Dictionary<string, TensorToWrite> canonical = tensors.ToDictionary(tensor => tensor.Entry.Name);
        List<(KeyRule Rule, int Block)> rows = [.. canonical.Keys.Select(name => RowOf(format, architecture, name)).Distinct()];
        bool hasOuter = rows.Any(row => row.Rule.File[0].StartsWith('/'));
        StateDictMatch match = new(format, "", hasOuter ? format.Prefixes[^1] : format.Prefixes[0]);
        return
        [
            .. rows.SelectMany(row => Write(match, row.Rule, row.Block, canonical)),
            .. format.Constants.Select(constant => constant.ToWrite(match.FullName(constant.Name), architecture)),
        ];
    }

    private static (KeyRule Rule, int Block) RowOf(StateDictFormat format, ViTArchitecture architecture, string name) =>
        StateDictNames.Rule(format, name, architecture.NormAfterPool && name.StartsWith("norm.", StringComparison.Ordinal))
        ?? throw new SnapViTException(
            ErrorKind.Architecture, $"tensor {CheckpointFormatException.Quote(name)}: models of format {format.Name} have none like it");

    private static IEnumerable<TensorToWrite> Write(
        StateDictMatch match, KeyRule rule, int block, Dictionary<string, TensorToWrite> canonical)
    {
        TensorToWrite[] sources =
        [
            .. rule.Canonical.Select(name => canonical.TryGetValue(KeyRule.At(name, block), out TensorToWrite? source)
                ? source
                : throw new SnapViTException(
                    ErrorKind.Architecture,
                    $"tensor {CheckpointFormatException.Quote(KeyRule.At(name, block))}: format {match.StateDictFormat.Name} keeps it "
                    + "with others that are there, but it is missing")),
        ];
        return rule switch
        {
            { Mask: not null } => Masked(match, rule, block, sources[0]),
            { File.Count: > 1 } => Split(match, rule, block, sources[0]),
            { Canonical.Count: > 1 } => [Joined(match.FullName(KeyRule.At(rule.File[0], block)), sources)],
            _ => [Moved(match.FullName(KeyRule.At(rule.File[0], block)), rule.Layout, sources[0])],
        };
    }

    private static TensorToWrite Moved(string name, TensorLayout layout, TensorToWrite source)
    {
        TensorEntry entry = source.Entry;
        long[] shape = LayoutShapes.ToFile(layout, entry.Shape);
        return LayoutShapes.Reorders(layout)
            ? new TensorToWrite(name, entry.Type, shape, stream =>
            {
                byte[] bytes = source.AllBytes(), moved = new byte[bytes.Length];
                LayoutShapes.ToFile(layout, entry.Shape, entry.Type.BitsPerElement() / 8, bytes, moved);
                stream.Write(moved);
            })
            : new TensorToWrite(name, entry.Type, shape, source.Write);
    }

    private static TensorToWrite Joined(string name, TensorToWrite[] sources)
    {
        TensorEntry first = sources[0].Entry;
        return new TensorToWrite(name, first.Type, [sources.Sum(source => source.Entry.Shape[0]), .. first.Shape.Skip(1)], stream =>
        {
            foreach (TensorToWrite source in sources)
            {
                source.Write(stream);
            }
        });
    }

    private static IEnumerable<TensorToWrite> Split(StateDictMatch match, KeyRule rule, int block, TensorToWrite source)
    {
        int parts = rule.File.Count;
        TensorEntry entry = source.Entry;
        long rows = entry.Shape[0] / parts, length = entry.ByteLength / parts;
        for (int i = 0; i < parts; i++)
        {
            int begin = checked((int)(i * length));
            if (rule.File[i].EndsWith('?') && source.AllBytes().AsSpan(begin, (int)length).IndexOfAnyExcept((byte)0) < 0)
            {
                continue;
            }

            string name = match.FullName(KeyRule.At(rule.File[i].TrimEnd('?'), block));
            yield return new TensorToWrite(
                name, entry.Type, [rows, .. entry.Shape.Skip(1)], stream => stream.Write(source.AllBytes().AsSpan(begin, (int)length)));
        }
    }

    private static IEnumerable<TensorToWrite> Masked(StateDictMatch match, KeyRule rule, int block, TensorToWrite source)
    {
        yield return Moved(match.FullName(KeyRule.At(rule.File[0], block)), rule.Layout, source);
        float[] mask = KeyMask.Of(source.AllBytes(), source.Entry.Type.BitsPerElement() / 8);
        yield return TensorToWrite.From(match.FullName(KeyRule.At(rule.Mask!, block)), mask, mask.Length);
    }
}
