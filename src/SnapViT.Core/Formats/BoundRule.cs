using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>One row of a format's table found in a file: its tensors there, and the canonical ones that they are.</summary>
internal sealed class BoundRule
{
    private readonly ITensorArchive _file;
    private readonly KeyRule _rule;
    private readonly TensorEntry?[] _parts;
    private readonly string? _mask;

    private BoundRule(ITensorArchive file, KeyRule rule, TensorEntry?[] parts, string? mask, TensorEntry[] canonical)
    {
        (_file, _rule, _parts, _mask, Canonical) = (file, rule, parts, mask, canonical);
    }

    /// <summary>The row.</summary>
    public KeyRule Rule => _rule;

    /// <summary>The first tensor of the file that the row reads.</summary>
    public TensorEntry First => _parts.OfType<TensorEntry>().First();

    /// <summary>The canonical tensors of the row.</summary>
    public IReadOnlyList<TensorEntry> Canonical { get; }

    /// <summary>The tensors of the file that the row reads.</summary>
    public IEnumerable<string> Names =>
        [.. _parts.OfType<TensorEntry>().Select(part => part.Name), .. _mask is null ? Array.Empty<string>() : [_mask]];

    /// <summary>Finds a row in a file.</summary>
    /// <returns>The row, or null where none of its tensors is there.</returns>
    /// <exception cref="CheckpointFormatException">
    /// Some of its tensors are there and others are not, or they do not fit together.
    /// </exception>
    public static BoundRule? Find(ITensorArchive file, StateDictMatch match, KeyRule rule, int block)
    {
        string[] names = [.. rule.File.Select(name => match.FullName(KeyRule.At(name.TrimEnd('?'), block)))];
        TensorEntry?[] parts = [.. names.Select(name => file.Tensors.GetValueOrDefault(name))];
        if (parts.FirstOrDefault(part => part is not null) is not TensorEntry first)
        {
            return null;
        }

        for (int i = 0; i < parts.Length; i++)
        {
            RequirePart(file, first, parts[i], names[i], mayBeAbsent: rule.File[i].EndsWith('?'));
        }

        string? mask = rule.Mask is null ? null : match.FullName(KeyRule.At(rule.Mask, block));
        mask = mask is not null && file.Tensors.ContainsKey(mask) ? mask : null;
        return new BoundRule(file, rule, parts, mask, CanonicalEntries(file, rule, block, first));
    }

    /// <summary>Reads one of the canonical tensors.</summary>
    /// <param name="index">Which of <see cref="Canonical"/>.</param>
    /// <param name="destination">Exactly its bytes.</param>
    public void Read(int index, Span<byte> destination)
    {
        if (Canonical.Count > 1)
        {
            ReadShare(index, destination);
        }
        else
        {
            ReadParts(destination);
        }

        if (_mask is not null)
        {
            KeyMask.Apply(_file.ReadDoubles(_mask), destination, ElementSize);
        }
    }

    private int ElementSize => Canonical[0].Type.BitsPerElement() / 8;

    private void ReadParts(Span<byte> destination)
    {
        int length = destination.Length / _parts.Length;
        for (int i = 0; i < _parts.Length; i++)
        {
            Span<byte> part = destination.Slice(i * length, length);
            if (_parts[i] is not TensorEntry entry)
            {
                part.Clear();
            }
            else if (LayoutShapes.Reorders(_rule.Layout))
            {
                LayoutShapes.ToCanonical(
                    _rule.Layout, LayoutShapes.ToCanonical(_rule.Layout, entry.Shape)!, ElementSize, ReadWhole(entry), part);
            }
            else
            {
                _file.Read(entry.Name, part);
            }
        }
    }

    private void ReadShare(int index, Span<byte> destination)
    {
        byte[] bytes = ReadWhole(_parts[0]!);
        long begin = Canonical.Take(index).Sum(tensor => tensor.ByteLength);
        bytes.AsSpan((int)begin, destination.Length).CopyTo(destination);
    }

    private byte[] ReadWhole(TensorEntry entry)
    {
        if (entry.ByteLength > Array.MaxLength)
        {
            throw new CheckpointFormatException(
                _file.Path, $"expected at most {Array.MaxLength} bytes, found {entry.ByteLength}", entry.Name);
        }

        byte[] bytes = new byte[entry.ByteLength];
        _file.Read(entry.Name, bytes);
        return bytes;
    }

    private static void RequirePart(ITensorArchive file, TensorEntry first, TensorEntry? part, string name, bool mayBeAbsent)
    {
        if (part is null && !mayBeAbsent)
        {
            throw new CheckpointFormatException(
                file.Path, $"expected it beside {CheckpointFormatException.Quote(first.Name)}, found no such tensor", name);
        }

        if (part is not null && (part.Type != first.Type || !part.Shape.SequenceEqual(first.Shape)))
        {
            throw new CheckpointFormatException(file.Path, $"expected type and shape of {first}, found {part}", name);
        }
    }

    private static TensorEntry[] CanonicalEntries(ITensorArchive file, KeyRule rule, int block, TensorEntry first)
    {
        long[] shape = LayoutShapes.ToCanonical(rule.Layout, first.Shape)
            ?? throw new CheckpointFormatException(
                file.Path,
                $"expected a tensor that is {KeyRule.At(rule.Canonical[0], block)} in another layout, "
                + $"found shape [{string.Join(", ", first.Shape)}]",
                first.Name);
        if (rule.File.Count > 1 || rule.Canonical.Count > 1)
        {
            RequireRows(file, rule, first);
        }

        IReadOnlyList<int> shares = rule.Shares ?? [.. Enumerable.Repeat(1, rule.Canonical.Count)];
        long[] rows = shape.Length == 0 ? [] : [.. shares.Select(share => shape[0] * rule.File.Count / shares.Sum() * share)];
        return
        [
            .. rule.Canonical.Select((name, i) =>
                new TensorEntry(KeyRule.At(name, block), first.Type, shape.Length == 0 ? shape : [rows[i], .. shape.Skip(1)])),
        ];
    }

    /// <summary>Rows that can be put together or taken apart: a first dimension that every share divides.</summary>
    private static void RequireRows(ITensorArchive file, KeyRule rule, TensorEntry first)
    {
        int shares = (rule.Shares ?? [.. rule.Canonical.Select(_ => 1)]).Sum();
        if (first.Shape.Count == 0 || first.Shape[0] > long.MaxValue / 64 || first.Shape[0] * rule.File.Count % shares != 0)
        {
            throw new CheckpointFormatException(
                file.Path, $"expected rows in {shares} equal shares, found shape [{string.Join(", ", first.Shape)}]", first.Name);
        }
    }
}
