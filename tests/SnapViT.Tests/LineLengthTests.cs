using System.Runtime.CompilerServices;

namespace SnapViT.Tests;

/// <summary>Lines that fit beside each other on a screen.</summary>
public sealed class LineLengthTests
{
    private const int MostColumns = 140;

    /// <summary>Text inside raw string literals is what it is: help for people, styles of a page.</summary>
    private const string RawQuote = "\"\"\"";

    [Theory]
    [InlineData("src")]
    [InlineData("samples")]
    public void No_line_of_code_is_longer_than_140_columns(string folder)
    {
        string root = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", folder);
        string[] files = [.. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Where(IsSource)];
        Assert.NotEmpty(files);
        Assert.Empty(files.SelectMany(file => TooLong(File.ReadLines(file)).Select(line => $"{Path.GetFileName(file)}:{line}")));
    }

    [Fact]
    public void A_longer_line_is_found_outside_of_raw_strings_only() =>
        Assert.Equal([1, 5], TooLong([Long("x"), "text = " + RawQuote, Long("y"), RawQuote + ";", Long("z")]));

    private static string Long(string text) => text.PadRight(MostColumns + 1, '.');

    private static IEnumerable<int> TooLong(IEnumerable<string> lines)
    {
        bool raw = false;
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            if (!raw && line.Length > MostColumns)
            {
                yield return number;
            }

            raw ^= (line.Split(RawQuote).Length - 1) % 2 == 1;
        }
    }

    private static bool IsSource(string file) =>
        !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        && !file.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal);

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
