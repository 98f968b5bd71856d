using System.Collections.ObjectModel;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>
/// A checkpoint seen through its format: the same tensors under their canonical names and in canonical layout. Nothing of the file is left
/// unexplained: a tensor is read, or listed as standing beside the model, or refused.
/// </summary>
public sealed class CanonicalArchive : ITensorArchive
{
    private const int MostListed = 8;

    private readonly ITensorArchive _file;
    private readonly StateDictMatch _match;
    private readonly OrderedDictionary<string, TensorEntry> _entries = [];
    private readonly Dictionary<string, (BoundRule Rule, int Index)> _sources = [];

    private CanonicalArchive(ITensorArchive file, StateDictMatch match)
    {
        (_file, _match, Tensors) = (file, match, new ReadOnlyDictionary<string, TensorEntry>(_entries));
        int depth = CountBlocks();
        foreach (KeyRule rule in match.StateDictFormat.Rules)
        {
            for (int block = 0; block < (rule.IsPerBlock ? depth : 1); block++)
            {
                Bind(rule, block);
            }
        }

        UnusedTensors = RequireAllExplained();
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
    public string Prefix => _match.Wrapper + _match.Prefix;

    /// <summary>Tensors of the file that are none of the backbone's: text towers, heads of training, constants.</summary>
    public IReadOnlyList<string> UnusedTensors { get; }

    /// <summary>Looks at a checkpoint through its format.</summary>
    /// <param name="file">The open checkpoint: the view closes it when it is closed itself; a file that is refused stays open.</param>
    /// <exception cref="CheckpointFormatException">It is of no known format, a tensor is missing beside others of its layer, or there are tensors that belong to nothing.</exception>
    public static CanonicalArchive Open(ITensorArchive file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new CanonicalArchive(file, StateDictMatch.Find(file));
    }

    /// <summary>The names in the file of a canonical tensor that it lacks, as its format writes them.</summary>
    public string NameInFile(string canonical) => StateDictNames.InFile(_match, canonical);

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
        if (rule.Canonical.Any(name => _entries.ContainsKey(KeyRule.At(name, block))) || BoundRule.Find(_file, _match, rule, block) is not BoundRule bound)
        {
            return;
        }

        for (int i = 0; i < bound.Canonical.Count; i++)
        {
            _entries.Add(bound.Canonical[i].Name, bound.Canonical[i]);
            _sources.Add(bound.Canonical[i].Name, (bound, i));
        }
    }

    private string[] RequireAllExplained()
    {
        HashSet<string> read = [.. _sources.Values.SelectMany(source => source.Rule.Names)];
        ILookup<bool, string> rest = _file.Tensors.Keys.Where(name => !read.Contains(name)).ToLookup(_match.MayBeUnused);
        string[] unexpected = [.. rest[false]];
        if (unexpected.Length > 0)
        {
            string others = unexpected.Length == 1
                ? ""
                : $" (nor {string.Join(", ", unexpected.Skip(1).Take(MostListed - 1).Select(CheckpointFormatException.Quote))}{(unexpected.Length > MostListed ? $" and {unexpected.Length - MostListed} more" : "")})";
            throw new CheckpointFormatException(Path, $"a model of format {StateDictFormat.Name} has no such tensor{others}", unexpected[0]);
        }

        return [.. rest[true]];
    }
}
