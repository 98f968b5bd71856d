using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace SnapViT.Cli.Output;

/// <summary>Which file a path means, however it is spelled: through links of every folder in it, and through hard links on Linux.</summary>
/// <remarks>
/// Elsewhere hard links are two files: an output is written beside its target and renamed over it, and the content stays under the other
/// name.
/// </remarks>
internal sealed partial record FileIdentity
{
    private const int CurrentFolder = -100;
    private const uint InodeMask = 0x100;
    private const int InodeAt = 32, DeviceAt = 136, Length = 256;

    private readonly string _path;
    private readonly (ulong Inode, ulong Device)? _node;

    private FileIdentity(string path, (ulong Inode, ulong Device)? node) => (_path, _node) = (path, node);

    private static StringComparison Names =>
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary>The file at a path, which need not exist.</summary>
    public static FileIdentity Of(string path)
    {
        string real = Resolved(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return new FileIdentity(real, OperatingSystem.IsLinux() ? Node(real) : null);
    }

    /// <summary>Whether two paths mean one file.</summary>
    public bool IsSameAs(FileIdentity other) => string.Equals(_path, other._path, Names) || (_node is not null && _node == other._node);

    /// <summary>Whether the file lies in a folder, at any depth.</summary>
    public bool IsInside(FileIdentity folder) =>
        _path.StartsWith(Path.TrimEndingDirectorySeparator(folder._path) + Path.DirectorySeparatorChar, Names);

    /// <summary>The path without links; a link that leads nowhere or in a circle stays what it is.</summary>
    private static string Resolved(string path)
    {
        if (Path.GetDirectoryName(path) is not string folder)
        {
            return path;
        }

        string below = Path.Combine(Resolved(folder), Path.GetFileName(path));
        try
        {
            // A link's target may lie below other links; a path without any resolves to itself.
            FileSystemInfo? target = new FileInfo(below).ResolveLinkTarget(returnFinalTarget: true);
            return target is null ? below : Resolved(target.FullName);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return below;
        }
    }

    private static (ulong Inode, ulong Device)? Node(string path)
    {
        Span<byte> status = stackalloc byte[Length];
        try
        {
            return StatX(CurrentFolder, path, 0, InodeMask, status) == 0
                ? (BinaryPrimitives.ReadUInt64LittleEndian(status[InodeAt..]), BinaryPrimitives.ReadUInt64LittleEndian(status[DeviceAt..]))
                : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, Span<byte> status);
}
