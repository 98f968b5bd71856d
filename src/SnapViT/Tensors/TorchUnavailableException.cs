using SnapViT.Core.Errors;

namespace SnapViT.Tensors;

/// <summary>The native libraries of TorchSharp cannot be loaded on this machine; the message is one line that says which and why.</summary>
public sealed class TorchUnavailableException : SnapViTException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Which library, where, and what it lacks.</param>
    /// <param name="innerException">What the loader answered, if it was asked.</param>
    public TorchUnavailableException(string message, Exception? innerException = null)
        : base(ErrorKind.Runtime, message, innerException)
    {
    }
}
