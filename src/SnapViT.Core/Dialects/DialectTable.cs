namespace SnapViT.Core.Dialects;

/// <summary>Every dialect that is read and written: one table.</summary>
public static class DialectTable
{
    /// <summary>All dialects, those with the most particular signs first.</summary>
    public static IReadOnlyList<Dialect> All { get; } =
    [
        OriginalDialects.DinoV3, OriginalDialects.DinoV2, OpenClipDialects.Trunk, OpenClipDialects.Native,
        TransformersDialects.DeiT, TransformersDialects.DinoV2, TransformersDialects.ViT, TransformersDinoV3.Gated, TransformersDinoV3.Plain,
        TransformersTowers.SigLip, TransformersTowers.SigLipNaFlex, TransformersTowers.Clip,
        TimmDialects.EvaGated, TimmDialects.Eva, TimmDialects.PackedGate, TimmDialects.Timm,
    ];

    /// <summary>The dialect of a name.</summary>
    /// <exception cref="ArgumentException">There is no such dialect; the message lists them.</exception>
    public static Dialect Named(string name) =>
        All.FirstOrDefault(dialect => dialect.Name == name)
        ?? throw new ArgumentException($"dialect: expected one of {string.Join(", ", All.Select(dialect => dialect.Name))}, found '{name}'", nameof(name));
}
