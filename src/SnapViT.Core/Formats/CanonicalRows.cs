using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>The rows of a file that has the canonical names, from which other tables are made by replacing some.</summary>
internal static class CanonicalRows
{
    private const string Block = "blocks.*.";

    public static IReadOnlyList<KeyRule> All { get; } =
    [
        .. Names("cls_token", "dist_token", "reg_token", "pos_embed"),
        .. Layers("patch_embed.proj", "norm_pre"),
        .. Layers(
            [.. new[] { "norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2", "mlp.w1", "mlp.w2", "mlp.w3" }
                .Select(layer => Block + layer)]),
        .. Names(Block + "ls1.gamma", Block + "ls2.gamma"),
        .. Layers("norm"),
        .. Names("attn_pool.latent"),
        .. Layers("attn_pool.q", "attn_pool.kv", "attn_pool.proj", "attn_pool.norm", "attn_pool.mlp.fc1", "attn_pool.mlp.fc2"),
        .. Names("projection.weight"),
        .. Layers("head", "head_dist"),
    ];

    /// <summary>A table in which the given rows take the place of all rows of the same canonical tensors.</summary>
    public static IReadOnlyList<KeyRule> With(this IReadOnlyList<KeyRule> table, params IEnumerable<KeyRule> rows)
    {
        KeyRule[] replacing = [.. rows];
        HashSet<string> replaced = [.. replacing.SelectMany(row => row.Canonical)];
        return [.. table.Where(row => !row.Canonical.Any(replaced.Contains)), .. replacing];
    }

    /// <summary>A table without the rows of some canonical layers.</summary>
    public static IReadOnlyList<KeyRule> Without(this IReadOnlyList<KeyRule> table, params IEnumerable<string> layers) =>
        [.. table.Where(row => !layers.Any(layer => row.Canonical.Any(name => name.StartsWith(layer + ".", StringComparison.Ordinal))))];

    private static IEnumerable<KeyRule> Names(params IEnumerable<string> names) => names.Select(name => Of(name, name));

    private static IEnumerable<KeyRule> Layers(params IEnumerable<string> names) => names.SelectMany(name => Layer(name, name));
}
