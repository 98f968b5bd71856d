namespace SnapViT.Tests;

/// <summary>
/// Finds the folder of golden numbers, models and photos that lies beside the repository (<c>../shared</c>, or <c>SNAPVIT_SHARED</c>).
/// Tests that need it are skipped with one clear line where it is absent.
/// </summary>
internal static class SharedFolder
{
    private static readonly string? Root = Find();

    /// <summary>The full path of a file or folder below the shared folder; skips the running test when it is not there.</summary>
    public static string Require(params string[] parts)
    {
        string relative = Path.Combine(parts);
        string? path = Root is null ? null : Path.Combine(Root, relative);
        bool present = path is not null && (File.Exists(path) || Directory.Exists(path));
        Assert.SkipUnless(present, $"needs ../shared/{relative}, which is not beside this checkout");
        return path!;
    }

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
