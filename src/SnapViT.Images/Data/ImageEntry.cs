using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using SnapViT.Core.Errors;
using SnapViT.Data.Sources;

namespace SnapViT.Data;

/// <summary>Images that are missing, unreadable, damaged or lack labels. The message is one line that names the image or the set.</summary>
public sealed class ImageException : SnapViTException
{
    /// <summary>States what is wrong with which image or set.</summary>
    /// <param name="location">The image or the set: a path, or whatever names it.</param>
    /// <param name="fault">What is wrong: what was expected, what was found.</param>
    public ImageException(string location, string fault)
        : base(ErrorKind.Images, $"{location}: {fault}")
    {
    }
}

/// <summary>An image that was left out because it cannot be read.</summary>
/// <param name="Name">The image's name.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record SkippedImage(string Name, string Reason);

/// <summary>
/// One encoded image of a set (JPEG, PNG, WebP, BMP or TIFF): a name and something that opens, such as a file, a block of bytes, an entry
/// of an archive or a row of a table. Nothing is read before <see cref="Open"/>.
/// </summary>
public sealed class ImageEntry
{
    private readonly Func<Stream> _open;
    private readonly Func<long> _length;
    private readonly long? _identity;

    private ImageEntry(string name, string location, int? label, Func<Stream> open, Func<long> length, long? identity = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        (Name, Location, Label, _open, _length, _identity) = (name, location, label, open, length, identity);
    }

    /// <summary>
    /// Identity of the image in seeds, hashes and messages; unique within its set. Of a folder's image: the path below the folder, with
    /// forward slashes.
    /// </summary>
    public string Name { get; }

    /// <summary>Where the image is, for messages: the full path of a file, else what the source says.</summary>
    public string Location { get; }

    /// <summary>Class index, 0 or more; null where it is not known.</summary>
    public int? Label { get; }

    /// <summary>Bytes of the encoded image. Part of the hash of a set; asked for only then.</summary>
    /// <exception cref="IOException">The source cannot be read.</exception>
    public long Length => _length();

    /// <summary>
    /// What stands for the content in the hash of a set: the image's length, or that of the file it is a row of, where its own is not known
    /// before the row is read.
    /// </summary>
    internal long Identity => _identity ?? Length;

    /// <summary>An image file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The image's name; null for the path as given, with forward slashes.</param>
    /// <param name="label">Class index, 0 or more; null where it is not known.</param>
    public static ImageEntry FromFile(string path, string? name = null, int? label = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.GetFullPath(path);
        return new ImageEntry(
            name ?? path.Replace(Path.DirectorySeparatorChar, '/'), full, label,
            () => File.OpenRead(full), () => new FileInfo(full).Length);
    }

    /// <summary>A file of a folder or an archive.</summary>
    internal static ImageEntry Of(TreeFile file, int? label) =>
        new(file.Name, file.Location, label, file.Bytes.Open, () => file.Bytes.Length);

    /// <summary>An image of a table, whose length is not known before its row is read.</summary>
    internal static ImageEntry OfRow(string name, string location, Func<Stream> open, Func<long> length, long fileLength) =>
        new(name, location, label: null, open, length, fileLength);

    /// <summary>An encoded image in memory.</summary>
    /// <param name="name">The image's name.</param>
    /// <param name="bytes">The encoded image; not copied, so it must not change.</param>
    /// <param name="label">Class index, 0 or more; null where it is not known.</param>
    public static ImageEntry FromBytes(string name, ReadOnlyMemory<byte> bytes, int? label = null) =>
        new(name, name, label, () => OpenBytes(bytes), () => bytes.Length);

    /// <summary>An encoded image that is opened when it is needed: the way for archives, tables and remote stores.</summary>
    /// <param name="name">The image's name.</param>
    /// <param name="length">Bytes of the encoded image.</param>
    /// <param name="open">
    /// Opens the image: a stream of its own at each call, which the caller disposes. Called on background threads, several at once. What it
    /// throws as <see cref="IOException"/>, <see cref="InvalidDataException"/>, <see cref="UnauthorizedAccessException"/> or
    /// <see cref="ImageException"/> leaves the image out; anything else ends the reading.
    /// </param>
    /// <param name="label">Class index, 0 or more; null where it is not known.</param>
    /// <param name="location">Where the image is, for messages; null for its name.</param>
    public static ImageEntry FromStream(string name, long length, Func<Stream> open, int? label = null, string? location = null)
    {
        ArgumentNullException.ThrowIfNull(open);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new ImageEntry(name, location ?? name, label, open, () => length);
    }

    /// <summary>Opens the encoded image; the caller disposes the stream. May be called any number of times, on any thread.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public Stream Open() => _open();

    /// <summary>
    /// Whether <see cref="Length"/> is known without reading the image; not of a row of a table.
    /// </summary>
    internal bool HasKnownLength => _identity is null;

    /// <summary>
    /// What tells the encoded image from others whatever its name is: its length, and the first eight bytes of its SHA-256.
    /// </summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">The archive that it is in is damaged.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal (long Length, long Digest) Fingerprint()
    {
        using Stream stream = Open();
        using MemoryStream content = new();
        stream.CopyTo(content);
        return FingerprintOf(content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    /// <summary>The decoded image.</summary>
    /// <param name="reserve">Told how many bytes the pixels take before they are taken; null for nobody.</param>
    /// <param name="mostPixels">The most pixels it may have.</param>
    /// <param name="leastSide">How long the short side of a JPEG must still be, which may then come smaller than it is.</param>
    /// <param name="fingerprint">Told what <see cref="Fingerprint"/> gives, before the image is decoded; null for nobody.</param>
    /// <exception cref="ImageException">It is no image, is damaged or cut short, or is too large.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal RgbImage Decode(
        Action<long>? reserve = null, int mostPixels = ImageDecoder.MaxPixels, int leastSide = int.MaxValue,
        Action<(long Length, long Digest)>? fingerprint = null)
    {
        using Stream stream = Open();
        return ImageDecoder.Decode(
            stream, Location, reserve, mostPixels, leastSide,
            fingerprint is null ? null : content => fingerprint(FingerprintOf(content.Span)));
    }

    private static (long Length, long Digest) FingerprintOf(ReadOnlySpan<byte> content) =>
        (content.Length, BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(content)));

    /// <summary>The same image with another label.</summary>
    internal ImageEntry WithLabel(int label) => new(Name, Location, label, _open, _length, _identity);

    /// <summary>The same image under another name and with another label.</summary>
    internal ImageEntry Renamed(string name, int? label) => new(name, Location, label, _open, _length, _identity);

    private static MemoryStream OpenBytes(ReadOnlyMemory<byte> bytes) => MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> array)
        ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
        : new MemoryStream(bytes.ToArray(), writable: false);
}
