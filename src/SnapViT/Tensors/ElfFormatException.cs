namespace SnapViT.Tensors;

/// <summary>The bytes are not a shared library of the kind <see cref="GlibcxxPatch"/> may change.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
