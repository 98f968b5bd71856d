namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>A Python name that a checkpoint may mention, and all it can do here.</summary>
/// <param name="Module">Its module.</param>
/// <param name="Name">Its name in the module.</param>
internal sealed record PickleGlobal(string Module, string Name)
{
    /// <summary>What calling it gives (REDUCE); null when it may not be called.</summary>
    public Func<PickleArguments, object?>? Call { get; init; }

    /// <summary>Whether it makes an object without arguments (NEWOBJ) and takes a state (BUILD).</summary>
    public bool IsDictionary { get; init; }

    /// <summary>
    /// Whether the state replaces nothing but fills the dictionary (Namespace), or is dropped (OrderedDict: versions of modules).
    /// </summary>
    public bool KeepsState { get; init; }

    /// <summary>Whether it is a class of storages.</summary>
    public bool IsStorage { get; init; }

    /// <summary>Whether it is not on the list: it may be mentioned, and stands for nothing.</summary>
    public bool IsUnknown { get; init; }

    /// <summary>Whether it is an enumeration.</summary>
    public bool IsEnum { get; init; }

    /// <summary>Type of the elements, for a class of typed storages or a dtype.</summary>
    public TensorType? Type { get; init; }

    public override string ToString() => CheckpointFormatException.Quote($"{Module}.{Name}");
}
