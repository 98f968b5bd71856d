using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using SnapViT.Core.Architecture;
using SnapViT.Core.Formats;

namespace SnapViT.Loading;

/// <summary>
/// The <c>config.json</c> that transformers builds a model from before it reads weights in one of its own formats. (Names and meanings:
/// transformers, models/*/configuration_*.py.)
/// </summary>
internal static class TransformersConfigWriter
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "config.json";

    private static readonly JsonSerializerOptions Indented =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What every model of a format is in transformers, whatever its config says.</summary>
    private static readonly ModelClass[] Classes =
    [
        new("transformers-vit", "vit", "ViTModel") { WithClasses = "ViTForImageClassification" },
        new("transformers-deit", "deit", "DeiTModel")
        {
            WithClasses = "DeiTForImageClassificationWithTeacher", Pooling = Pooling.ClassAndDistillation, HasDistillationToken = true,
        },
        new("transformers-dinov2", "dinov2", "Dinov2Model") { HasLayerScale = true, CountsMlpByRatio = true },
        new("transformers-dinov2", "dinov2_with_registers", "Dinov2WithRegistersModel")
        {
            HasLayerScale = true, HasRegisters = true, CountsMlpByRatio = true,
        },
        new("transformers-dinov3", "dinov3_vit", "DINOv3ViTModel") { HasLayerScale = true, IsRotary = true },
        new("transformers-dinov3-gated", "dinov3_vit", "DINOv3ViTModel") { HasLayerScale = true, IsRotary = true },
        new("transformers-siglip", "siglip_vision_model", "SiglipVisionModel") { Pooling = Pooling.Attention },
        new("transformers-siglip2", "siglip2_vision_model", "Siglip2VisionModel") { Pooling = Pooling.Attention },
        new("transformers-clip", "clip_vision_model", "CLIPVisionModel") { IsClip = true },
    ];

    /// <summary>Whether transformers reads models of a format.</summary>
    public static bool Knows(StateDictFormat format) => Classes.Any(row => row.Format == format.Name);

    /// <summary>
    /// Whether transformers looks for weights under the name of that file. Only then a config may stand beside it: it speaks for all
    /// weights of its folder.
    /// </summary>
    public static bool IsWeightsName(string path) => Path.GetFileName(path) is "model.safetensors" or "pytorch_model.bin";

    /// <summary>The config.</summary>
    /// <param name="format">The format that the weights are written in.</param>
    /// <param name="a">The architecture.</param>
    /// <param name="widths">Its widths: the same in every block, with all heads.</param>
    /// <param name="tensors">Names of the tensors that were written.</param>
    /// <param name="classNames">Names of the classes; empty where they are not known.</param>
    /// <param name="fault">Why transformers has no such model; null where it has.</param>
    /// <returns>The text of the file; null where transformers has no such model.</returns>
    public static string? Write(
        StateDictFormat format, ViTArchitecture a, SubnetWidths widths, IReadOnlyList<string> tensors, IReadOnlyList<string> classNames,
        out string? fault)
    {
        ModelClass row = Classes.First(
            row => row.Format == format.Name && row.HasRegisters == (row.CountsMlpByRatio && a.RegisterTokens > 0));
        fault = row.Fault(a, widths);
        if (fault is not null)
        {
            return null;
        }

        int neurons = widths[0][Axis.Neurons];
        JsonObject config = new()
        {
            ["architectures"] = new JsonArray(
                a.Classes > 0 && row.WithClasses is string classes ? classes
                : a.ProjectionDim > 0 ? "CLIPVisionModelWithProjection"
                : row.Name),
            ["model_type"] = row.Type,
            ["hidden_size"] = a.EmbedDim,
            ["num_hidden_layers"] = a.Depth,
            ["num_attention_heads"] = a.Heads,
            ["hidden_act"] = a.Mlp == MlpKind.SwiGlu && row.IsRotary ? "silu" : PublishedConfig.NameOf(a.Activation),
            ["layer_norm_eps"] = a.LayerNormEpsilon,
            ["patch_size"] = a.PatchSize,
            ["num_channels"] = a.Channels,
        };
        if (row.CountsMlpByRatio)
        {
            config["mlp_ratio"] = Ratio(a.EmbedDim, a.Mlp == MlpKind.SwiGlu ? neurons / 2 * 3 : neurons);
            config["use_swiglu_ffn"] = a.Mlp == MlpKind.SwiGlu;
        }
        else
        {
            config["intermediate_size"] = neurons;
        }

        bool isOfAnyAspect = row.Type == "siglip2_vision_model";
        config[isOfAnyAspect ? "num_patches" : "image_size"] = isOfAnyAspect ? a.Patches : a.ImageSize;
        if (row.IsRotary)
        {
            config["rope_theta"] = a.RotaryBase;
            config["query_bias"] = a.HasQkvBias;
            config["value_bias"] = a.HasQkvBias;
            config["key_bias"] = TransformersDinoV3.HasKeyBias(tensors);
            config["use_gated_mlp"] = a.Mlp == MlpKind.SwiGlu;
        }
        else if (row is { Pooling: not Pooling.Attention, IsClip: false })
        {
            config["qkv_bias"] = a.HasQkvBias;
        }

        if (row.IsRotary || row.HasRegisters)
        {
            config["num_register_tokens"] = a.RegisterTokens;
        }

        if (a.ProjectionDim > 0)
        {
            config["projection_dim"] = a.ProjectionDim;
        }

        if (a.Classes > 0)
        {
            string[] names = classNames.Count > 0 ? [.. classNames] : [.. Enumerable.Range(0, a.Classes).Select(index => $"LABEL_{index}")];
            config["id2label"] = new JsonObject(
                names.Select((name, index) => KeyValuePair.Create(index.ToString(CultureInfo.InvariantCulture), (JsonNode?)name)));
            config["label2id"] = new JsonObject(names.Index().DistinctBy(row => row.Item)
                .Select(row => KeyValuePair.Create(row.Item, (JsonNode?)row.Index)));
        }

        return config.ToJsonString(Indented) + "\n";
    }

    /// <summary>
    /// The ratio that, times the width and rounded down, is that many neurons; transformers counts those of a gated MLP by 2/3.
    /// </summary>
    private static JsonNode Ratio(int width, int neurons)
    {
        double ratio = neurons / (double)width;
        ratio = (int)(width * ratio) == neurons ? ratio : (neurons + 0.5) / width;
        return ratio == Math.Floor(ratio) ? (int)ratio : ratio;
    }

    /// <summary>A class of models in transformers.</summary>
    /// <param name="Format">The format of its weights.</param>
    /// <param name="Type">Its type in configs.</param>
    /// <param name="Name">The class without a classifier.</param>
    private sealed record ModelClass(string Format, string Type, string Name)
    {
        /// <summary>The class with a classifier; null where the one that transformers has is another.</summary>
        public string? WithClasses { get; init; }

        public Pooling Pooling { get; init; }

        public bool HasDistillationToken { get; init; }

        public bool HasLayerScale { get; init; }

        public bool HasRegisters { get; init; }

        public bool IsRotary { get; init; }

        public bool IsClip { get; init; }

        /// <summary>Whether its config has the neurons as a multiple of the width.</summary>
        public bool CountsMlpByRatio { get; init; }

        private PositionEmbedding[] Positions =>
            IsRotary ? [PositionEmbedding.Rotary]
            : Pooling == Pooling.Attention ? [PositionEmbedding.PatchesOnly, PositionEmbedding.AllTokens]
            : HasRegisters ? [PositionEmbedding.ClassAndPatches]
            : HasDistillationToken ? [PositionEmbedding.AllTokens]
            : [PositionEmbedding.AllTokens, PositionEmbedding.ClassAndPatches];

        /// <summary>Why it cannot be a model of that kind; null where it can.</summary>
        public string? Fault(ViTArchitecture a, SubnetWidths widths) =>
            widths.Any(block => block[Axis.Heads] != a.Heads || block != widths[0]) ? "its blocks have not all heads, or differ in neurons"
            : Pooling == Pooling.Attention && widths[0][Axis.Neurons] != a.MlpDim ? "its blocks and its pooling differ in neurons"
            : a.HeadDim * a.Heads != a.EmbedDim ? "its heads are not as wide as the tokens"
            : a.Pooling != Pooling || a.NormAfterPool ? "its feature is made of the tokens in another way"
            : !Positions.Contains(a.Position) ? "its positions are of other tokens"
            : a.HasClassToken != (Pooling != Pooling.Attention) || a.HasDistillationToken != HasDistillationToken
                || (a.RegisterTokens > 0 && !HasRegisters && !IsRotary) ? "it has other tokens before the patches"
            : a.HasLayerScale != HasLayerScale || a.HasPreNorm != IsClip || a.HasPatchBias == IsClip ? "its layers are others"
            : CountsMlpByRatio && a.Mlp == MlpKind.SwiGlu && widths[0][Axis.Neurons] % 8 != 0 ? "its neurons are no multiple of 8"
            : !a.HasQkvBias && (Pooling == Pooling.Attention || IsClip) ? "its queries, keys and values have no bias"
            : null;
    }
}
