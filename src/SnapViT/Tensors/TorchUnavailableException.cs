namespace SnapViT.Tensors;

/// <summary>The native half of torch cannot be loaded on this machine. The message is one line that says what is missing.</summary>
public sealed class TorchUnavailableException : Exception
{
    /// <summary>States what is missing.</summary>
    public TorchUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
