namespace SnapViT.Tests;

/// <summary>
/// Finds golden numbers and score files in the set that travels with the project, and what is not in it (photos, the trained model) in the folder
/// beside the repository (<c>../shared</c>, or <c>SNAPVIT_SHARED</c>). Tests that need what is in neither are skipped with one clear line.
/// </summary>
internal static class SharedFolder
{
    /// <summary>The folder beside the repository, or null.</summary>
    public static string? Beside { get; } = Find();

    /// <summary>The full path of a file or folder; skips the running test when it is not there.</summary>
    public static string Require(params string[] parts)
    {
        string relative = Path.Combine(parts);
        string travelling = Path.Combine(GoldenSet.Root, relative);
        if (Exists(travelling))
        {
            return travelling;
        }

        string? path = Beside is null ? null : Path.Combine(Beside, relative);
        Assert.SkipUnless(path is not null && Exists(path), $"needs ../shared/{relative}, which is not beside this checkout");
        return path!;
    }

    private static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("SNAPVIT_SHARED") is { Length: > 0 } set)
        {
            return set;
        }

        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "SnapViT.slnx")))
            {
                string shared = Path.Combine(folder.Parent?.FullName ?? "", "shared");
                return Directory.Exists(shared) ? shared : null;
            }
        }

        return null;
    }
}
