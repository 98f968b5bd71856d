namespace SnapViT.Cli.Output;

/// <summary>A command to try next, as it is typed.</summary>
internal static class NextCommand
{
    /// <summary>The command of a verb; words that a shell would take apart are quoted.</summary>
    /// <param name="words">The verb, then arguments and options; those in capitals stand for what only the user knows.</param>
    public static string Of(params IEnumerable<string> words) => $"snapvit {string.Join(' ', words.Select(Quoted))}";

    private static string Quoted(string word) =>
        word.Length > 0 && word.All(letter => char.IsLetterOrDigit(letter) || "-_./\\:=,+%@~".Contains(letter, StringComparison.Ordinal))
            ? word
            : $"\"{word}\"";
}
