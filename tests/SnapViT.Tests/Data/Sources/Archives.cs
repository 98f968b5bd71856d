using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace SnapViT.Tests.Data.Sources;

/// <summary>Archives made for a test from names and contents.</summary>
internal static class Archives
{
    public static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    public static byte[] Tar(params (string Name, byte[] Content)[] files) => Tar(TarEntryFormat.Ustar, files);

    public static byte[] Tar(TarEntryFormat format, params (string Name, byte[] Content)[] files)
    {
        using MemoryStream bytes = new();
        using (TarWriter writer = new(bytes, format, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                TarEntry entry = format == TarEntryFormat.Ustar ? new UstarTarEntry(TarEntryType.RegularFile, name)
                    : format == TarEntryFormat.Gnu ? new GnuTarEntry(TarEntryType.RegularFile, name)
                    : new PaxTarEntry(TarEntryType.RegularFile, name);
                entry.DataStream = new MemoryStream(content);
                writer.WriteEntry(entry);
            }
        }

        return bytes.ToArray();
    }

    public static byte[] Gzip(byte[] content, CompressionLevel level = CompressionLevel.Optimal)
    {
        using MemoryStream bytes = new();
        using (GZipStream writer = new(bytes, level, leaveOpen: true))
        {
            writer.Write(content);
        }

        return bytes.ToArray();
    }

    public static byte[] Zip(params (string Name, byte[] Content)[] files)
    {
        using MemoryStream bytes = new();
        using (ZipArchive archive = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                using Stream entry = archive.CreateEntry(name).Open();
                entry.Write(content);
            }
        }

        return bytes.ToArray();
    }
}
