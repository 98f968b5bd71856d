using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>The format of a file, and what stands before the names of its model.</summary>
/// <param name="StateDictFormat">The format.</param>
/// <param name="Wrapper">What stands before everything, such as <c>teacher.backbone.</c>; empty for nothing.</param>
/// <param name="Prefix">One of the format's prefixes.</param>
internal sealed record StateDictMatch(StateDictFormat StateDictFormat, string Wrapper, string Prefix)
{
    /// <summary>How the names of a file that stand in nothing are called where several models are to be told apart.</summary>
    private const string Outermost = "top";

    /// <summary>The most models of a file among which one may be chosen; more are no checkpoint, and are counted only.</summary>
    private const int MostModels = 64;

    /// <summary>Models that a message names.</summary>
    private const int MostListed = 8;

    /// <summary>What training leaves beside a model that stands in nothing.</summary>
    private static readonly string[] TrainingState =
    [
        "optimizer.*", "model_ema.*", "lr_scheduler.*", "scheduler.*", "scaler.*", "fp16_scaler.*", "loss_scaler.*",
        "amp.*", "amp_scaler.*", "epoch", "step",
        "dino_loss.*", "ibot_patch_loss.*", "dino_head.*", "ibot_head.*", "criterion.*", "loss.*",
        "callbacks.*", "hyper_parameters.*", "args.*",
    ];

    /// <summary>What stands before the names of the model.</summary>
    public string Root => Wrapper + Prefix;

    /// <summary>What of the model's own subtree the file calls it by, for people who choose.</summary>
    public string Label => Root.Length == 0 ? Outermost : Root.TrimEnd('.', '/');

    /// <summary>The full name in the file of a name of the table.</summary>
    public string FullName(string name) => name.StartsWith('/') ? Wrapper + name[1..] : Root + name;

    /// <summary>
    /// Whether a tensor that no row reads may be there: everything beside the model's subtree may; in it, what the format lists; where the
    /// model stands in nothing, also what training leaves, and other whole models.
    /// </summary>
    /// <param name="name">The tensor.</param>
    /// <param name="others">Other whole models of the file.</param>
    public bool MayBeUnused(string name, IReadOnlyList<StateDictMatch> others)
    {
        if (!name.StartsWith(Root, StringComparison.Ordinal))
        {
            return true;
        }

        string inside = name[Root.Length..];
        return StateDictFormat.Unused.Any(pattern => Fits(pattern, pattern.StartsWith('/') ? "/" + name[Wrapper.Length..] : inside))
            || (Root.Length == 0 && TrainingState.Any(pattern => Fits(pattern, inside)))
            || others.Any(other => other.Root.Length > Root.Length && name.StartsWith(other.Root, StringComparison.Ordinal));
    }

    /// <summary>Finds the model of a file by the names of its tensors.</summary>
    /// <param name="file">The file, under plain names.</param>
    /// <param name="weights">
    /// Which of several models to take: a part of the names before it, such as <c>ema</c>; null where there is one only.
    /// </param>
    /// <param name="formats">The formats that are looked for; null for all.</param>
    /// <returns>The model, and other whole models of the file.</returns>
    /// <exception cref="CheckpointFormatException">
    /// There is no model, or more than one and no choice, or no model of that choice.
    /// </exception>
    public static (StateDictMatch Match, IReadOnlyList<StateDictMatch> Others) Find(
        PlainNames file, string? weights, IReadOnlyList<StateDictFormat>? formats = null)
    {
        StateDictMatch[] whole = WholeModels(file, formats ?? StateDictFormats.All);
        if (whole.Length > MostModels)
        {
            throw new CheckpointFormatException(
                file.Path,
                $"expected one model, or at most {MostModels} of which --weights names one, found {whole.Length}: {Names(whole)}");
        }

        StateDictMatch[] chosen = weights is null ? whole : [.. whole.Where(match => match.IsCalled(weights, wholeWords: true))];
        if (chosen.Length == 0 && weights is not null)
        {
            chosen = [.. whole.Where(match => match.IsCalled(weights, wholeWords: false))];
        }

        return chosen is [StateDictMatch only]
            ? (only, [.. whole.Where(match => match != only)])
            : throw new CheckpointFormatException(file.Path, whole.Length == 0 ? NoModel(file) : Doubt(whole, chosen, weights));
    }

    /// <summary>
    /// Subtrees that hold a whole model, one for each beginning of the names, in the format with the most particular signs.
    /// </summary>
    private static StateDictMatch[] WholeModels(PlainNames file, IReadOnlyList<StateDictFormat> formats)
    {
        OrderedDictionary<string, StateDictMatch> byRoot = [];
        foreach (StateDictFormat format in formats)
        {
            foreach (string name in file.Tensors.Keys)
            {
                if (Try(format, name) is StateDictMatch match && match.Holds(file))
                {
                    byRoot.TryAdd(match.Root, match);
                }
            }
        }

        ILookup<string, StateDictMatch> byWrapper = byRoot.Values.ToLookup(match => match.Wrapper, StringComparer.Ordinal);
        return [.. byRoot.Values.Where(match => !byWrapper[match.Root].Any(other => other != match && other.Lists(match)))];
    }

    private static string NoModel(PlainNames file)
    {
        string container = file.File is TorchArchiveReader { RootClass: string type }
            ? type.StartsWith("__torch__", StringComparison.Ordinal)
                ? "a TorchScript archive with "
                : $"a whole pickled module of the class {CheckpointFormatException.Quote(type)} with "
            : "";
        string advice = container.Length > 0
            ? "; if it holds such a model, save its weights in Python: torch.save(model.state_dict(), FILE)"
            : "";
        string examples = file.Tensors.Count == 0
            ? ""
            : $", such as {string.Join(", ", file.File.Tensors.Keys.Take(3).Select(CheckpointFormatException.Quote))}";
        return "expected a Vision Transformer of timm, torchvision, DINO, DINOv2, DINOv3, open_clip, transformers or AugReg, "
            + $"found {container}{file.Tensors.Count} tensors of other names{examples}{advice}";
    }

    private static string Doubt(StateDictMatch[] whole, StateDictMatch[] chosen, string? weights)
    {
        string models = Names(whole);
        string flags = string.Join(" or ", whole.Take(MostListed).Select(match => $"--weights {match.ShortLabel(whole)}"));
        return weights is null ? $"expected one model, found {whole.Length}: {models}; pass {flags}"
            : chosen.Length > 1
                ? $"--weights {weights}: expected the name of one model, found {chosen.Length} of that name among {models}; pass {flags}"
            : $"--weights {weights}: expected the name of a model of the file, found {models}; pass {flags}";
    }

    private static string Names(StateDictMatch[] whole) =>
        string.Join(" and ", whole.Take(MostListed).Select(match => CheckpointFormatException.Quote(match.Label)))
            + (whole.Length > MostListed ? $" and {whole.Length - MostListed} more" : "");

    /// <summary>The first part of the names that no other model of the file has; all of them where there is none.</summary>
    private string ShortLabel(StateDictMatch[] whole) =>
        Root.Split(['.', '/'], StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault(part => !whole.Any(other => other != this && other.IsCalled(part, wholeWords: true))) ?? Label;

    private static StateDictMatch? Try(StateDictFormat format, string name)
    {
        if (!name.EndsWith(format.Marker, StringComparison.Ordinal))
        {
            return null;
        }

        string before = name[..^format.Marker.Length];
        return format.Prefixes.Concat(format.FurtherPrefixes)
            .OrderByDescending(prefix => prefix.Length)
            .Where(prefix => before.EndsWith(prefix, StringComparison.Ordinal))
            .Select(prefix => new StateDictMatch(format, before[..^prefix.Length], prefix))
            .FirstOrDefault(match => match.Wrapper.Length == 0 || match.Wrapper[^1] is '.' or '/');
    }

    private bool Holds(PlainNames file)
    {
        bool Has(string name) => file.Tensors.ContainsKey(FullName(name));

        IReadOnlyList<long> marker = file.Tensors[FullName(StateDictFormat.Marker)].Shape;
        return (StateDictFormat.Signs.Count == 0 || StateDictFormat.Signs.Any(Has))
            && !StateDictFormat.Lacks.Any(Has)
            && (StateDictFormat.MarkerRank is not int rank || marker.Count == rank)
            && (!StateDictFormat.HasPackedGate || HasPackedGate(file));
    }

    private bool HasPackedGate(PlainNames file) =>
        file.Tensors.TryGetValue(FullName("blocks.0.mlp.fc1.weight"), out TensorEntry? first)
        && file.Tensors.TryGetValue(FullName("blocks.0.mlp.fc2.weight"), out TensorEntry? second)
        && first.Shape.Count == 2 && second.Shape.Count == 2
        && second.Shape[1] > 0 && first.Shape[0] == 2 * second.Shape[1];

    /// <summary>
    /// Whether a model that stands where this one's wrapper ends is what this format lists beside its own, as the reference's SigLIP files
    /// have their blocks twice.
    /// </summary>
    private bool Lists(StateDictMatch other) => StateDictFormat.Unused.Any(pattern => Fits(pattern, "/" + other.StateDictFormat.Marker));

    /// <summary>
    /// Whether a part of the names before the model is the one asked for, or has it as one of its words: <c>ema</c> of
    /// <c>state_dict_ema</c>.
    /// </summary>
    private bool IsCalled(string asked, bool wholeWords)
    {
        string wanted = asked.Trim('.', '/');
        if (Label == wanted)
        {
            return true;
        }

        string[] parts = Root.Split(['.', '/'], StringSplitOptions.RemoveEmptyEntries);
        return wholeWords
            ? $".{string.Join('.', parts)}.".Contains($".{wanted}.", StringComparison.Ordinal)
            : parts.SelectMany(part => part.Split('_')).Contains(wanted);
    }

    private static bool Fits(string pattern, string name) => pattern.EndsWith('*')
        ? name.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : name == pattern;
}
