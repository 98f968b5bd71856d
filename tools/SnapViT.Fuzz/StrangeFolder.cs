using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>A folder of photos with hidden entries, strange names, and links to anything, also in circles.</summary>
internal static class StrangeFolder
{
    private static readonly string[] Names =
    [
        "a", "b", "0", "1", "n01440764", "__MACOSX", ".hidden", "lost+found", ".ipynb_checkpoints", "c d", "ü", "-", "x.jpg", "%20",
    ];

    private static readonly string[] Files =
    [
        "1.jpg", "2.JPEG", "3.png", "._1.jpg", ".DS_Store", "Thumbs.db", "notes.txt", "4.tif", "5.webp", "6", ".jpg", "7.jpg.part",
        "é.bmp",
    ];

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random)
    {
        List<string> folders = ["photos"];
        for (int i = random.NextInt(8); i > 0; i--)
        {
            folders.Add($"{folders[random.NextInt(folders.Count)]}/{Names[random.NextInt(Names.Length)]}");
        }

        Dictionary<string, byte[]> files = [];
        foreach (string folder in folders)
        {
            for (int i = random.NextInt(5); i >= 0; i--)
            {
                files[$"{folder}/{Files[random.NextInt(Files.Length)]}"] = [];
            }
        }

        string[] targets = [.. folders, .. files.Keys, "photos/link 0", "photos/link 1", "nowhere", "."];
        (string, byte[])[] written = [.. files.Where(file => !folders.Contains(file.Key)).Select(file => (file.Key, file.Value))];
        string Folder(int link) => link < 2 ? "photos" : folders[random.NextInt(folders.Count)];
        return new FuzzInput("folder", written, Expected: null)
        {
            Target = FuzzTarget.Folder,
            Links =
            [
                .. Enumerable.Range(0, random.NextInt(6))
                    .Select(link => ($"{Folder(link)}/link {link}", targets[random.NextInt(targets.Length)])),
            ],
        };
    }
}
