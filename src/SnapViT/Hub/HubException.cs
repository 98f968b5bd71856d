using SnapViT.Core.Errors;

namespace SnapViT.Hub;

/// <summary>
/// A model could not be fetched. The message is one line: which model, what was expected, what was found; never a token, never a signed
/// address.
/// </summary>
public sealed class HubException : SnapViTException
{
    /// <summary>States one fault.</summary>
    /// <param name="fault">Why.</param>
    /// <param name="message">One line for the user.</param>
    /// <param name="innerException">The cause, when there is one.</param>
    public HubException(HubErrorKind fault, string message, Exception? innerException = null)
        : base(ErrorKind.Hub, message, innerException) => Fault = fault;

    /// <summary>Why, for a program.</summary>
    public HubErrorKind Fault { get; }

    /// <summary>How long the hub asked to wait.</summary>
    internal TimeSpan RetryAfter { get; init; }

    /// <summary>Whether bytes arrived before the failure: the next tries are counted anew.</summary>
    internal bool AfterProgress { get; init; }

    /// <summary>Whether the same request may succeed a little later.</summary>
    internal bool MayPass => !IsFinal && Fault is (HubErrorKind.Unreachable or HubErrorKind.RateLimited);

    /// <summary>Whether waiting would not help: there is no network.</summary>
    internal bool IsFinal { get; init; }
}
