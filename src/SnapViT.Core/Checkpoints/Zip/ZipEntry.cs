namespace SnapViT.Core.Checkpoints.Zip;

/// <summary>One checked record of a zip file.</summary>
/// <param name="Name">Its full name, with forward slashes.</param>
/// <param name="Deflated">Whether it is compressed; otherwise its bytes stand in the file as they are.</param>
/// <param name="CompressedSize">Bytes in the file.</param>
/// <param name="Size">Bytes after decompression, as the file says.</param>
/// <param name="Crc">Checksum of the decompressed bytes, as the file says.</param>
/// <param name="HeaderOffset">Where its local header begins in the file.</param>
/// <param name="DataOffset">Where its bytes begin in the file.</param>
internal sealed record ZipEntry(string Name, bool Deflated, long CompressedSize, long Size, uint Crc, long HeaderOffset, long DataOffset);
