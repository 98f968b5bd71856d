using System.Collections.ObjectModel;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>
/// A checkpoint seen through its format: the same tensors under their canonical names and in canonical layout. Nothing of the file is left
/// unexplained: a tensor is read, or listed as standing beside the model, or refused.
/// </summary>
internal sealed class CanonicalArchive : ITensorArchive
{
    private const int MostListed = 8;

    private readonly PlainNames _file;
    private readonly StateDictMatch _match;
    private readonly IReadOnlyList<StateDictMatch> _others;
    private readonly OrderedDictionary<string, TensorEntry> _entries = [];
    private readonly Dictionary<string, (BoundRule Rule, int Index)> _sources = [];

    private CanonicalArchive(PlainNames file, (StateDictMatch Match, IReadOnlyList<StateDictMatch> Others) found)
    {
        StateDictMatch match = found.Match;
        (_file, _match, _others, Tensors) = (file, match, found.Others, new ReadOnlyDictionary<string, TensorEntry>(_entries));
        int depth = CountBlocks();
        foreach (KeyRule rule in match.StateDictFormat.Rules)
        {
            for (int block = 0; block < (rule.IsPerBlock ? depth : 1); block++)
            {
                Bind(rule, block);
            }
        }

        UnusedTensors = RequireAllExplained(depth);
    }

    /// <summary>The file's own path.</summary>
    public string Path => _file.Path;

    /// <summary>The file's own metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <summary>The tensors by canonical name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>The format of the file.</summary>
    public StateDictFormat StateDictFormat => _match.StateDictFormat;

    /// <summary>What stands before the names of the model in the file; empty for nothing.</summary>
    public string Prefix => _match.Root;

    /// <summary>
    /// Tensors of the file that are none of the backbone's: text towers, other copies of the model, heads and state of training, constants.
    /// </summary>
    public IReadOnlyList<string> UnusedTensors { get; }

    /// <summary>Heads per block, where the shapes of the file's own layout show them; else null.</summary>
    public int? Heads => _sources.TryGetValue("blocks.0.attn.qkv.weight", out (BoundRule Rule, int Index) qkv)
        && qkv.Rule.Rule.Layout == TensorLayout.InputFirst && qkv.Rule.First.Shape is [_, > 0 and <= int.MaxValue and var heads, _]
            ? (int)heads
            : null;

    /// <summary>Whether the file's names say that the final norm is applied to the pooled feature.</summary>
    public bool NormAfterPool => _sources.TryGetValue("norm.weight", out (BoundRule Rule, int Index) norm) && norm.Rule.Rule.AfterPooling;

    /// <summary>Whether the file has a tensor of this name beside the model's prefix.</summary>
    /// <param name="name">Its name behind what stands before everything, such as <c>logit_scale</c>.</param>
    public bool HasBeside(string name) => _file.Tensors.ContainsKey(_match.FullName("/" + name));

    /// <summary>Recognises the format of a checkpoint and maps its tensors to canonical names.</summary>
    /// <param name="file">The open checkpoint: the view closes it when it is closed itself; a file that is refused stays open.</param>
    /// <param name="weights">
    /// Which of several models of the file to take, by a part of the names before it, such as <c>ema</c>; null where there is one only.
    /// </param>
    /// <exception cref="CheckpointFormatException">
    /// It is of no known format, holds several models and no choice is given, a tensor is missing beside others of its layer, or there are
    /// tensors in the model that belong to nothing.
    /// </exception>
    internal static CanonicalArchive Open(ITensorArchive file, string? weights = null) => Open(file, weights, StateDictFormats.All);

    /// <inheritdoc cref="Open(ITensorArchive, string)"/>
    /// <param name="file">The open checkpoint.</param>
    /// <param name="weights">Which of several models of the file to take.</param>
    /// <param name="formats">The formats that are looked for, those with the most particular signs first.</param>
    internal static CanonicalArchive Open(ITensorArchive file, string? weights, IReadOnlyList<StateDictFormat> formats)
    {
        ArgumentNullException.ThrowIfNull(file);
        PlainNames plain = PlainNames.Of(file);
        return new CanonicalArchive(plain, StateDictMatch.Find(plain, weights, formats));
    }

    /// <summary>The names in the file of a canonical tensor, or those that it would have where the file lacks it.</summary>
    public string NameInFile(string canonical) => _sources.TryGetValue(canonical, out (BoundRule Rule, int Index) source)
        ? string.Join(" + ", source.Rule.Names.Select(_file.InFile))
        : StateDictNames.InFile(_match, canonical);

    /// <inheritdoc/>
    public void Read(string name, Span<byte> destination)
    {
        this.Require(name, destination.Length);
        (BoundRule rule, int index) = _sources[name];
        rule.Read(index, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private int CountBlocks()
    {
        KeyRule[] norms = [.. _match.StateDictFormat.Rules.Where(rule => rule.Canonical[0] == "blocks.*.norm1.weight")];
        int depth = 0;
        while (norms.Any(rule => _file.Tensors.ContainsKey(_match.FullName(KeyRule.At(rule.File[0], depth)))))
        {
            depth++;
        }

        return depth;
    }

    private void Bind(KeyRule rule, int block)
    {
        if (rule.Canonical.Any(name => _entries.ContainsKey(KeyRule.At(name, block)))
            || BoundRule.Find(_file, _match, rule, block) is not BoundRule bound)
        {
            return;
        }

        for (int i = 0; i < bound.Canonical.Count; i++)
        {
            _entries.Add(bound.Canonical[i].Name, bound.Canonical[i]);
            _sources.Add(bound.Canonical[i].Name, (bound, i));
        }
    }

    private string[] RequireAllExplained(int depth)
    {
        HashSet<string> read = [.. _sources.Values.SelectMany(source => source.Rule.Names)];
        HashSet<string> missing = NamesOfMissing(depth);
        ILookup<bool, string> rest = _file.Tensors.Keys.Where(name => !read.Contains(name))
            .ToLookup(name => _match.MayBeUnused(name, _others) && !IsMisplaced(name, missing));
        string[] unexpected = [.. rest[false].Select(_file.InFile)];
        if (unexpected.Length > 0)
        {
            string others = unexpected.Length == 1
                ? ""
                : $" (nor {string.Join(", ", unexpected.Skip(1).Take(MostListed - 1).Select(CheckpointFormatException.Quote))}"
                    + $"{(unexpected.Length > MostListed ? $" and {unexpected.Length - MostListed} more" : "")})";
            throw new CheckpointFormatException(
                Path, $"a model of format {StateDictFormat.Name} has no such tensor{others}", unexpected[0]);
        }

        return [.. rest[true].Select(_file.InFile)];
    }

    /// <summary>Names behind the prefix of tensors that the format knows and this model lacks.</summary>
    private HashSet<string> NamesOfMissing(int depth) =>
    [
        .. from rule in _match.StateDictFormat.Rules
           from block in Enumerable.Range(0, rule.IsPerBlock ? depth : 1)
           where !rule.Canonical[0].StartsWith("head", StringComparison.Ordinal)
               && !rule.Canonical.Any(name => _entries.ContainsKey(KeyRule.At(name, block)))
           from name in rule.File
           where !name.StartsWith('/')
           select KeyRule.At(name.TrimEnd('?'), block),
    ];

    /// <summary>
    /// Whether a tensor beside the model is named as one that the model lacks: not taken for another's, since a model without it may be
    /// another model.
    /// </summary>
    private bool IsMisplaced(string name, HashSet<string> missing)
    {
        if (name.StartsWith(_match.Root, StringComparison.Ordinal)
            || _others.Any(other => name.StartsWith(other.Root, StringComparison.Ordinal)))
        {
            return false;
        }

        string parent = _match.Root.TrimEnd('.');
        int depth = parent.Length == 0 ? 0 : parent.Count(c => c == '.') + 1;
        string[] parts = name.Split('.', depth + 1);
        return parts.Length > depth && missing.Contains(parts[^1]);
    }
}
