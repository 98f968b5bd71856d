namespace SnapViT.Data;

/// <summary>Why something in a folder is not among the images of a set.</summary>
public enum LeftOutKind
{
    /// <summary>Its name starts with a dot, or it is marked as hidden.</summary>
    Hidden,

    /// <summary>
    /// It belongs to a system or a tool, such as <c>__MACOSX</c>, <c>._photo.jpg</c>, <c>Thumbs.db</c>, <c>lost+found</c> or <c>@eaDir</c>.
    /// </summary>
    System,

    /// <summary>An image in a format that is not read, such as TIFF, GIF, HEIC or AVIF.</summary>
    Format,

    /// <summary>A file that is no image by its extension.</summary>
    NoImage,

    /// <summary>A folder that may not be read.</summary>
    Unreadable,

    /// <summary>A link to something that is in the set already, or a loop of links.</summary>
    Repeated,

    /// <summary>A link to nothing.</summary>
    BrokenLink,

    /// <summary>A photo without a class, where the others have one: beside the class folders, or not in the list of labels.</summary>
    NoLabel,

    /// <summary>A class folder without a photo.</summary>
    EmptyClass,

    /// <summary>An image that a list names and that is not there.</summary>
    Missing,
}

/// <summary>Entries of a folder that were left out for one reason.</summary>
/// <param name="Kind">Why.</param>
/// <param name="What">What they are, in a few words.</param>
/// <param name="Count">How many there are, at least 1; a folder counts once, whatever is in it.</param>
/// <param name="Example">The first of them in ordinal order, below the folder, with forward slashes.</param>
public sealed record LeftOut(LeftOutKind Kind, string What, int Count, string Example)
{
    /// <summary>One phrase, such as <c>hidden entries: 2 (.cache, ...)</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{What}: {Count} ({Example}{(Count > 1 ? ", ..." : "")})");
}
