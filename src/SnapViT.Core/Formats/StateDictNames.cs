using System.Globalization;

namespace SnapViT.Core.Formats;

/// <summary>Canonical names turned into those of a file.</summary>
internal static class StateDictNames
{
    /// <summary>The rule that writes a canonical tensor, and the block in its name.</summary>
    public static (KeyRule Rule, int Block)? Rule(StateDictFormat format, string canonical, bool afterPooling = false)
    {
        (string pattern, int block) = Pattern(canonical);
        KeyRule? rule = format.Rules.FirstOrDefault(row => row.AfterPooling == afterPooling && row.Canonical.Contains(pattern));
        return rule is null ? null : (rule, block);
    }

    /// <summary>
    /// The names, joined by " + " where several tensors make the canonical one; the canonical name where the format has none.
    /// </summary>
    public static string InFile(StateDictMatch match, string canonical) =>
        Rule(match.StateDictFormat, canonical) is (KeyRule rule, int block)
            ? string.Join(" + ", rule.File.Select(name => match.FullName(KeyRule.At(name.TrimEnd('?'), block))))
            : canonical;

    private static (string Pattern, int Block) Pattern(string canonical)
    {
        string[] parts = canonical.Split('.', 3);
        return parts.Length == 3 && parts[0] == "blocks" && int.TryParse(parts[1], CultureInfo.InvariantCulture, out int block)
            ? ($"blocks.*.{parts[2]}", block)
            : (canonical, 0);
    }
}
