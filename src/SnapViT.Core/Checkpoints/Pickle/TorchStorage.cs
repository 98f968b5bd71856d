using SnapViT.Core.Checkpoints.Zip;

namespace SnapViT.Core.Checkpoints.Pickle;

/// <summary>A block of elements in a PyTorch file: one zip entry.</summary>
/// <param name="Entry">Where its bytes are; exactly as many as it has.</param>
/// <param name="Type">Type of its elements; null when it is untyped bytes.</param>
internal sealed record TorchStorage(ZipEntry Entry, TensorType? Type)
{
    public long ByteLength => Entry.Size;
}
