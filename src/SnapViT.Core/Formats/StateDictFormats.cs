namespace SnapViT.Core.Formats;

/// <summary>Every format that is read and written: one table.</summary>
public static class StateDictFormats
{
    /// <summary>All formats, those with the most particular signs first.</summary>
    public static IReadOnlyList<StateDictFormat> All { get; } =
    [
        OriginalFormats.DinoV3, OriginalFormats.DinoV2, OpenClipFormats.Trunk, OpenClipFormats.Native,
        TransformersFormats.DeiT, TransformersFormats.DinoV2, TransformersFormats.ViT, TransformersDinoV3.Gated, TransformersDinoV3.Plain,
        TransformersTowers.SigLip, TransformersTowers.SigLipNaFlex, TransformersTowers.Clip,
        TimmFormats.EvaGated, TimmFormats.Eva, TimmFormats.PackedGate, TimmFormats.Timm,
    ];

    /// <summary>The format of a name.</summary>
    /// <exception cref="ArgumentException">There is no such format; the message lists them.</exception>
    public static StateDictFormat Named(string name) =>
        All.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"format: expected one of {string.Join(", ", All.Select(format => format.Name))}, found '{name}'", nameof(name));
}
