using SnapViT.Core.Errors;

namespace SnapViT.Core.Formats;

/// <summary>Every format that is read and written: one table.</summary>
internal static class StateDictFormats
{
    /// <summary>All formats, those with the most particular signs first.</summary>
    public static IReadOnlyList<StateDictFormat> All { get; } =
    [
        OriginalFormats.DinoV3, OriginalFormats.DinoV2, OpenClipFormats.Trunk, OpenClipFormats.Native, TorchvisionFormats.ViT,
        FlaxFormats.PreLogits, FlaxFormats.AugReg,
        TransformersFormats.DeiT, TransformersFormats.DinoV2, TransformersFormats.ViT, TransformersDinoV3.Gated, TransformersDinoV3.Plain,
        TransformersTowers.SigLip, TransformersTowers.SigLipNaFlex, TransformersTowers.Clip,
        TimmFormats.EvaGated, TimmFormats.Eva, TimmFormats.PackedGate, TimmFormats.PreLogits, TimmFormats.Timm,
    ];

    /// <summary>The formats that a model can be written in.</summary>
    public static IReadOnlyList<StateDictFormat> Writable { get; } = [.. All.Where(format => !format.IsReadOnly)];

    /// <summary>The format of a name, to be written.</summary>
    /// <exception cref="SnapViTException">There is no such format; the message lists them.</exception>
    internal static StateDictFormat Named(string name) =>
        Writable.FirstOrDefault(format => format.Name == name)
        ?? throw new SnapViTException(
            ErrorKind.Option, $"format: expected one of {string.Join(", ", Writable.Select(format => format.Name))}, found '{name}'");
}
