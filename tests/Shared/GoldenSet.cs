using System.Reflection;
using System.Security.Cryptography;

namespace SnapViT.Tests;

/// <summary>The golden numbers that travel with the project (<c>tests/Golden</c>), unpacked once per process.</summary>
internal static class GoldenSet
{
    private static readonly Lazy<string> Unpacked = new(Unpack);

    /// <summary>A temporary folder with <c>golden/…</c> and <c>official/…</c>; it goes when the process ends.</summary>
    public static string Root => Unpacked.Value;

    /// <summary>What travels of an image: of every row the first eight bytes of its SHA-256. Equal digests are equal pixels.</summary>
    /// <param name="pixels">Bytes [height, width, 3].</param>
    /// <param name="height">The number of rows.</param>
    public static long[] RowDigests(ReadOnlySpan<byte> pixels, int height)
    {
        long[] digests = new long[height];
        int row = pixels.Length / height;
        for (int i = 0; i < height; i++)
        {
            digests[i] = BitConverter.ToInt64(SHA256.HashData(pixels.Slice(i * row, row)));
        }

        return digests;
    }

    private static string Unpack()
    {
        Assembly tests = typeof(GoldenSet).Assembly;
        Dictionary<string, GoldenFile> files = [];
        IEnumerable<string> packs = tests.GetManifestResourceNames().Where(name => name.EndsWith(".pack", StringComparison.Ordinal));
        foreach (string name in packs.Order(StringComparer.Ordinal))
        {
            using Stream pack = tests.GetManifestResourceStream(name)!;
            GoldenPack.Read(pack, files);
        }

        string root = Directory.CreateTempSubdirectory("snapvit-golden-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Delete(root);
        foreach (GoldenFile file in files.Values)
        {
            string path = Path.Combine(root, file.Path);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, file.Content);
        }

        return root;
    }

    private static void Delete(string root)
    {
        try
        {
            Directory.Delete(root, recursive: true);
        }
        catch (IOException)
        {
            // Windows keeps a file that is still open; the system clears its temporary folder.
        }
    }
}
