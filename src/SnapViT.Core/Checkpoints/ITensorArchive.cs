namespace SnapViT.Core.Checkpoints;

/// <summary>
/// A checkpoint file open for reading: named tensors and what is said about them. Opening reads and checks the description only; values are
/// read on demand.
/// </summary>
internal interface ITensorArchive : IDisposable
{
    /// <summary>The file, as it was named when it was opened.</summary>
    string Path { get; }

    /// <summary>Free text that belongs to the whole file.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors by name, enumerated in the order of the file.</summary>
    IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Reads the values of one tensor: row-major, little-endian. May be called from several threads at once.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="destination">Exactly <see cref="TensorEntry.ByteLength"/> bytes.</param>
    /// <exception cref="KeyNotFoundException">The file has no such tensor.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    /// <exception cref="CheckpointFormatException">The file is damaged or was cut after it was opened.</exception>
    /// <exception cref="IOException">The disk fails.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    void Read(string name, Span<byte> destination);
}
