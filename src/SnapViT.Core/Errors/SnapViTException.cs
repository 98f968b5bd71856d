namespace SnapViT.Core.Errors;

/// <summary>What an error is about.</summary>
public enum ErrorKind
{
    /// <summary>A file is damaged, of another format than expected, or belongs to something else.</summary>
    File,

    /// <summary>A model is of an unknown or impossible architecture, or a fact about it is missing.</summary>
    Architecture,

    /// <summary>Images are missing, unreadable or lack labels.</summary>
    Images,

    /// <summary>A budget is not well formed, or the floors make it impossible.</summary>
    Budget,

    /// <summary>A model could not be fetched from the Hugging Face hub.</summary>
    Hub,

    /// <summary>Values are NaN, infinite or singular, so that nothing can be computed from them.</summary>
    Numbers,

    /// <summary>An option is out of its range, or two options contradict each other.</summary>
    Option,

    /// <summary>The native libraries of torch are missing or cannot be loaded.</summary>
    Runtime,
}

/// <summary>
/// Something given to SnapViT is wrong, and whoever gave it can mend it. The message is one line: what, where, expected, found. Faults of a
/// calling program, such as a tensor of the wrong shape or a null, are <see cref="ArgumentException"/> and never of this type.
/// </summary>
public class SnapViTException : Exception
{
    /// <summary>States one fault.</summary>
    /// <param name="kind">What it is about.</param>
    /// <param name="message">One line for people.</param>
    /// <param name="innerException">The cause, when there is one.</param>
    public SnapViTException(ErrorKind kind, string message, Exception? innerException = null)
        : base(message, innerException) => Kind = kind;

    /// <summary>What the error is about.</summary>
    public ErrorKind Kind { get; }
}
