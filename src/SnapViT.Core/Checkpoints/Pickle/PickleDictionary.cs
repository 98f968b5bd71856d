namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>A dictionary while a pickle is being read: dict, OrderedDict or argparse.Namespace.</summary>
/// <param name="Global">The class when it is no plain dict.</param>
internal sealed record PickleDictionary(PickleGlobal? Global = null)
{
    public List<KeyValuePair<object?, object?>> Items { get; } = [];
}
