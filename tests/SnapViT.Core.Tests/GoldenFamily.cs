using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Tests;

namespace SnapViT.Core.Tests;

/// <summary>One of the six small models of the reference (4 blocks, width 48, 192 neurons, images 32, patches 8), and its numbers.</summary>
internal static class GoldenFamily
{
    public static TheoryData<string> All { get; } = ["timm_vit", "deit_distilled", "deit3", "siglip2", "dinov3_mlp", "dinov3_swiglu"];

    public static ViTArchitecture Architecture(string family)
    {
        ViTArchitecture plain = new()
        {
            Depth = 4, EmbedDim = 48, Heads = 6, HeadDim = 8, MlpDim = 192, PatchSize = 8, ImageSize = 32, Classes = 10,
        };
        ViTArchitecture dinov3 = plain with
        {
            Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true, LayerNormEpsilon = 1e-5,
        };
        ViTArchitecture architecture = family switch
        {
            "timm_vit" => plain with { Heads = 4, HeadDim = 12 },
            "deit_distilled" => plain with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation },
            "deit3" => plain with { Position = PositionEmbedding.PatchesOnly, HasLayerScale = true },
            "siglip2" => plain with { Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention },
            "dinov3_mlp" => dinov3,
            "dinov3_swiglu" => dinov3 with { Mlp = MlpKind.SwiGlu },
            _ => throw new ArgumentOutOfRangeException(nameof(family), family, "no golden family"),
        };
        return architecture.Validated();
    }

    /// <summary>Elements that only the reference counts: DINOv3's mask token, which no forward pass of images uses.</summary>
    public static long MaskToken(string family) => family.StartsWith("dinov3", StringComparison.Ordinal) ? 48 : 0;

    /// <summary>Shapes by canonical name: SigLIP's prefix dropped, DINOv3's storage tokens renamed and its constants left out.</summary>
    public static Dictionary<string, long[]> CanonicalShapes(string family)
    {
        using SafetensorsReader model = Open(family, "model.safetensors");
        string[] constants = ["mask_token", "rope_embed.periods"];
        return model.Tensors.Values
            .Where(tensor => !constants.Contains(tensor.Name) && !tensor.Name.EndsWith("bias_mask", StringComparison.Ordinal))
            .ToDictionary(
                tensor => tensor.Name.Replace("trunk.", "", StringComparison.Ordinal).Replace("storage_tokens", "reg_token", StringComparison.Ordinal),
                tensor => tensor.Shape.ToArray());
    }

    public static ImportanceScores Scores(string family)
    {
        using SafetensorsReader archive = Open(family, "dino.safetensors");
        return new ImportanceScores(Matrix(archive, "mlp_scores"), Matrix(archive, "head_scores"));
    }

    public static JsonDocument Json(params string[] parts) => JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require(["golden", .. parts])));

    private static SafetensorsReader Open(string family, string file) => SafetensorsReader.Open(SharedFolder.Require("golden", family, file));

    private static double[,] Matrix(SafetensorsReader archive, string name)
    {
        IReadOnlyList<long> shape = archive.Tensors[name].Shape;
        double[,] matrix = new double[shape[0], shape[1]];
        Buffer.BlockCopy(archive.ReadDoubles(name), 0, matrix, 0, matrix.Length * sizeof(double));
        return matrix;
    }
}
