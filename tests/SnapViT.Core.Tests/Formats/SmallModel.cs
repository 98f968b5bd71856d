using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;

namespace SnapViT.Core.Tests.Formats;

/// <summary>Models of two blocks, one per family, whose every element has a value of its own; and their files.</summary>
internal static class SmallModel
{
    private static readonly ViTArchitecture Plain = new()
    {
        Depth = 2, EmbedDim = 8, Heads = 2, HeadDim = 4, MlpDim = 12, PatchSize = 2, ImageSize = 8, Classes = 5,
    };

    private static readonly ViTArchitecture DinoV3 = Plain with
    {
        Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5,
    };

    private static readonly ViTArchitecture Clip = Plain with
    {
        Classes = 0, HasPreNorm = true, HasPatchBias = false, LayerNormEpsilon = 1e-5, ProjectionDim = 6,
    };

    private static readonly ViTArchitecture DinoV2 = Plain with
    {
        Classes = 0, Position = PositionEmbedding.ClassAndPatches, HasLayerScale = true,
    };

    private static readonly Dictionary<string, ViTArchitecture> Families = new()
    {
        ["vit"] = Plain,
        ["vit without classes"] = Plain with { Classes = 0 },
        ["deit distilled"] = Plain with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
        ["deit3"] = Plain with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
        ["siglip"] = Plain with { Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention },
        ["dinov2"] = DinoV2,
        ["dinov2 with registers"] = DinoV2 with { RegisterTokens = 4 },
        ["dinov2 with registers of timm"] = DinoV2 with { RegisterTokens = 4, Position = PositionEmbedding.PatchesOnly },
        ["dinov2 giant"] = DinoV2 with { Mlp = MlpKind.SwiGlu },
        ["dinov3"] = DinoV3,
        ["dinov3 swiglu"] = DinoV3 with { Mlp = MlpKind.SwiGlu },
        ["dinov3 without qkv bias"] = DinoV3 with { HasQkvBias = false },
        ["clip"] = Clip,
    };

    /// <summary>Every format that a family is published in (spec/models.md).</summary>
    public static TheoryData<string, string> Published => new()
    {
        { "vit", "timm" }, { "vit", "transformers-vit" }, { "vit", "torchvision" }, { "vit without classes", "timm" }, { "vit without classes", "transformers-vit" },
        { "deit distilled", "timm" }, { "deit distilled", "transformers-deit" },
        { "deit3", "timm" },
        { "siglip", "timm" }, { "siglip", "open_clip-trunk" }, { "siglip", "transformers-siglip" }, { "siglip", "transformers-siglip2" },
        { "dinov2", "timm" }, { "dinov2", "dinov2" }, { "dinov2", "transformers-dinov2" },
        { "dinov2 with registers", "dinov2" }, { "dinov2 with registers", "transformers-dinov2" },
        { "dinov2 with registers of timm", "timm" },
        { "dinov2 giant", "timm-packed" }, { "dinov2 giant", "dinov2" }, { "dinov2 giant", "transformers-dinov2" },
        { "dinov3", "dinov3" }, { "dinov3", "transformers-dinov3" }, { "dinov3", "timm-eva" },
        { "dinov3 swiglu", "dinov3" }, { "dinov3 swiglu", "transformers-dinov3-gated" }, { "dinov3 swiglu", "timm-eva-gated" },
        { "dinov3 without qkv bias", "timm-eva" }, { "dinov3 without qkv bias", "dinov3" }, { "dinov3 without qkv bias", "transformers-dinov3" },
        { "clip", "open_clip" }, { "clip", "transformers-clip" }, { "clip", "timm" },
    };

    /// <summary>The names of the families.</summary>
    public static IEnumerable<string> Names => Families.Keys;

    public static ViTArchitecture Architecture(string family) => Families[family].Validated();

    /// <summary>The canonical tensors; DINOv3's keys have no bias, which is zeros.</summary>
    public static IReadOnlyList<TensorToWrite> Tensors(ViTArchitecture a, SubnetWidths? widths = null)
    {
        int seed = 0;
        return [.. ParameterTable.For(a, widths ?? a.FullWidths).Select(parameter =>
        {
            float[] values = [.. Enumerable.Range(0, (int)parameter.Elements).Select(i => (++seed) + (i / 1024f))];
            if (a.Position == PositionEmbedding.Rotary && parameter.Name.EndsWith("qkv.bias", StringComparison.Ordinal))
            {
                values.AsSpan(values.Length / 3, values.Length / 3).Clear();
            }

            return TensorToWrite.From(parameter.Name, values, parameter.Shape);
        })];
    }

    /// <summary>The tensors of a file of the format, which may be changed before they are written.</summary>
    public static List<TensorToWrite> InFormat(string family, string format) =>
        [.. StateDictWriter.ToFormat(StateDictFormats.Named(format), Architecture(family), Tensors(Architecture(family)))];

    /// <summary>A tensor of ones, of any name.</summary>
    public static TensorToWrite Ones(string name, params long[] shape) =>
        TensorToWrite.From(name, Enumerable.Repeat(1f, (int)shape.Aggregate(1L, (a, b) => a * b)).ToArray(), shape);

    /// <summary>The same tensor under another name.</summary>
    public static TensorToWrite Renamed(this TensorToWrite tensor, string name) => new(name, tensor.Entry.Type, tensor.Entry.Shape, tensor.Write);
}
