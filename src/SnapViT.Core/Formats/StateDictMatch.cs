using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>The format of a file, and what stands before the names of its model.</summary>
/// <param name="StateDictFormat">The format.</param>
/// <param name="Wrapper">What stands before everything, such as <c>teacher.backbone.</c>; empty for nothing.</param>
/// <param name="Prefix">One of the format's prefixes.</param>
internal sealed record StateDictMatch(StateDictFormat StateDictFormat, string Wrapper, string Prefix)
{
    private static readonly string[] Wrappers = ["model", "state_dict", "teacher", "module", "backbone"];

    /// <summary>What training leaves outside of a wrapper.</summary>
    private static readonly string[] TrainingState =
    [
        "optimizer.*", "student.*", "model_ema.*", "lr_scheduler.*", "scheduler.*", "scaler.*", "fp16_scaler.*", "loss_scaler.*",
        "dino_loss.*", "ibot_patch_loss.*", "head.mlp.*", "head.last_layer.*", "dino_head.*", "ibot_head.*",
    ];

    /// <summary>The full name in the file of a name of the table.</summary>
    public string FullName(string name) => name.StartsWith('/') ? Wrapper + name[1..] : Wrapper + Prefix + name;

    /// <summary>Whether a tensor that no row reads may be there.</summary>
    public bool MayBeUnused(string name)
    {
        if (!name.StartsWith(Wrapper, StringComparison.Ordinal))
        {
            return TrainingState.Any(pattern => Fits(pattern, WithoutWrapper(name)));
        }

        string root = name[Wrapper.Length..];
        return root.StartsWith(Prefix, StringComparison.Ordinal)
            ? StateDictFormat.Unused.Any(pattern => Fits(pattern, root[Prefix.Length..]))
            : StateDictFormat.Unused.Any(pattern => Fits(pattern, "/" + root)) || (Wrapper.Length > 0 && TrainingState.Any(pattern => Fits(pattern, root)));
    }

    /// <summary>Finds the format of a file by the names of its tensors.</summary>
    /// <exception cref="CheckpointFormatException">None fits, or the file holds two models.</exception>
    public static StateDictMatch Find(ITensorArchive file)
    {
        foreach (StateDictFormat format in StateDictFormats.All)
        {
            StateDictMatch[] matches = [.. file.Tensors.Keys.Select(name => Try(format, name)).OfType<StateDictMatch>().Where(match => match.Holds(file))];
            if (matches.Length > 1)
            {
                throw new CheckpointFormatException(file.Path, $"expected one model, found two: {CheckpointFormatException.Quote(matches[0].Wrapper)} and {CheckpointFormatException.Quote(matches[1].Wrapper)}");
            }

            if (matches is [StateDictMatch match])
            {
                return match;
            }
        }

        throw new CheckpointFormatException(
            file.Path, $"expected a Vision Transformer of timm, DINO, DINOv2, DINOv3, open_clip or transformers, found {file.Tensors.Count} tensors of other names{Examples(file)}");
    }

    private static string Examples(ITensorArchive file) => file.Tensors.Count == 0
        ? ""
        : $", such as {string.Join(", ", file.Tensors.Keys.Take(3).Select(CheckpointFormatException.Quote))}";

    private static StateDictMatch? Try(StateDictFormat format, string name)
    {
        if (!name.EndsWith(format.Marker, StringComparison.Ordinal))
        {
            return null;
        }

        string before = name[..^format.Marker.Length];
        return format.Prefixes
            .OrderByDescending(prefix => prefix.Length)
            .Where(prefix => before.EndsWith(prefix, StringComparison.Ordinal))
            .Select(prefix => new StateDictMatch(format, before[..^prefix.Length], prefix))
            .FirstOrDefault(match => WithoutWrapper(match.Wrapper).Length == 0);
    }

    private static string WithoutWrapper(string name)
    {
        while (name.IndexOf('.', StringComparison.Ordinal) is int dot and > 0 && Wrappers.Contains(name[..dot]))
        {
            name = name[(dot + 1)..];
        }

        return name;
    }

    private bool Holds(ITensorArchive file)
    {
        bool Has(string name) => file.Tensors.ContainsKey(FullName(name));
        IReadOnlyList<long> marker = file.Tensors[FullName(StateDictFormat.Marker)].Shape;
        return (StateDictFormat.Signs.Count == 0 || StateDictFormat.Signs.Any(Has))
            && !StateDictFormat.Lacks.Any(Has)
            && (StateDictFormat.MarkerRank is not int rank || marker.Count == rank)
            && (!StateDictFormat.HasPackedGate || HasPackedGate(file));
    }

    private bool HasPackedGate(ITensorArchive file) =>
        file.Tensors.TryGetValue(FullName("blocks.0.mlp.fc1.weight"), out TensorEntry? first)
        && file.Tensors.TryGetValue(FullName("blocks.0.mlp.fc2.weight"), out TensorEntry? second)
        && first.Shape.Count == 2 && second.Shape.Count == 2
        && second.Shape[1] > 0 && first.Shape[0] == 2 * second.Shape[1];

    private static bool Fits(string pattern, string name) => pattern.EndsWith('*')
        ? name.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : name == pattern;
}
