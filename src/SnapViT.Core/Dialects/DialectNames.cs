using System.Globalization;

namespace SnapViT.Core.Dialects;

/// <summary>Canonical names turned into those of a file.</summary>
internal static class DialectNames
{
    /// <summary>The rule that writes a canonical tensor, and the block in its name.</summary>
    public static (KeyRule Rule, int Block)? Rule(Dialect dialect, string canonical)
    {
        (string pattern, int block) = Pattern(canonical);
        KeyRule? rule = dialect.Rules.FirstOrDefault(row => row.Canonical.Contains(pattern));
        return rule is null ? null : (rule, block);
    }

    /// <summary>The names, joined by " + " where several tensors make the canonical one; the canonical name where the dialect has none.</summary>
    public static string InFile(DialectMatch match, string canonical) => Rule(match.Dialect, canonical) is (KeyRule rule, int block)
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
