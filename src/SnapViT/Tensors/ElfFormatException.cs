namespace SnapViT.Tensors;

/// <summary>A shared library that is not laid out as expected, so that it is not edited. The message says where.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
