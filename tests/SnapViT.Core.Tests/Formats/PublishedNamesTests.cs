using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;

namespace SnapViT.Core.Tests.Formats;

/// <summary>
/// Names and shapes written down from the publishers' modelling code, for two blocks of width D = 8, heads 2 x 4, hidden 12, patches 2, 16
/// patches, 5 classes, projection 6; <c>*</c> stands for both blocks, <c>@</c> for weight [its shape] and bias [first size].
/// </summary>
public sealed class PublishedNamesTests
{
    // transformers/models/vit/modeling_vit.py
    private const string TransformersViT = """
        vit.embeddings.cls_token 1,1,8
        vit.embeddings.position_embeddings 1,17,8
        vit.embeddings.patch_embeddings.projection.@ 8,3,2,2
        vit.encoder.layer.*.attention.attention.query.@ 8,8
        vit.encoder.layer.*.attention.attention.key.@ 8,8
        vit.encoder.layer.*.attention.attention.value.@ 8,8
        vit.encoder.layer.*.attention.output.dense.@ 8,8
        vit.encoder.layer.*.intermediate.dense.@ 12,8
        vit.encoder.layer.*.output.dense.@ 8,12
        vit.encoder.layer.*.layernorm_before.@ 8
        vit.encoder.layer.*.layernorm_after.@ 8
        vit.layernorm.@ 8
        classifier.@ 5,8
        """;

    // transformers/models/deit/modeling_deit.py: DeiTForImageClassificationWithTeacher
    private const string TransformersDeiT = """
        deit.embeddings.cls_token 1,1,8
        deit.embeddings.distillation_token 1,1,8
        deit.embeddings.position_embeddings 1,18,8
        deit.embeddings.patch_embeddings.projection.@ 8,3,2,2
        deit.encoder.layer.*.attention.attention.query.@ 8,8
        deit.encoder.layer.*.attention.attention.key.@ 8,8
        deit.encoder.layer.*.attention.attention.value.@ 8,8
        deit.encoder.layer.*.attention.output.dense.@ 8,8
        deit.encoder.layer.*.intermediate.dense.@ 12,8
        deit.encoder.layer.*.output.dense.@ 8,12
        deit.encoder.layer.*.layernorm_before.@ 8
        deit.encoder.layer.*.layernorm_after.@ 8
        deit.layernorm.@ 8
        cls_classifier.@ 5,8
        distillation_classifier.@ 5,8
        """;

    // transformers/models/dinov2_with_registers/modeling_dinov2_with_registers.py
    private const string TransformersDinoV2 = """
        embeddings.cls_token 1,1,8
        embeddings.mask_token 1,8
        embeddings.register_tokens 1,4,8
        embeddings.position_embeddings 1,17,8
        embeddings.patch_embeddings.projection.@ 8,3,2,2
        encoder.layer.*.norm1.@ 8
        encoder.layer.*.attention.attention.query.@ 8,8
        encoder.layer.*.attention.attention.key.@ 8,8
        encoder.layer.*.attention.attention.value.@ 8,8
        encoder.layer.*.attention.output.dense.@ 8,8
        encoder.layer.*.layer_scale1.lambda1 8
        encoder.layer.*.norm2.@ 8
        encoder.layer.*.mlp.fc1.@ 12,8
        encoder.layer.*.mlp.fc2.@ 8,12
        encoder.layer.*.layer_scale2.lambda1 8
        layernorm.@ 8
        """;

    // transformers/models/dinov3_vit/modeling_dinov3_vit.py (use_gated_mlp; key_bias false)
    private const string TransformersDinoV3 = """
        embeddings.cls_token 1,1,8
        embeddings.mask_token 1,1,8
        embeddings.register_tokens 1,4,8
        embeddings.patch_embeddings.@ 8,3,2,2
        layer.*.norm1.@ 8
        layer.*.attention.q_proj.@ 8,8
        layer.*.attention.k_proj.weight 8,8
        layer.*.attention.v_proj.@ 8,8
        layer.*.attention.o_proj.@ 8,8
        layer.*.layer_scale1.lambda1 8
        layer.*.norm2.@ 8
        layer.*.mlp.gate_proj.@ 12,8
        layer.*.mlp.up_proj.@ 12,8
        layer.*.mlp.down_proj.@ 8,12
        layer.*.layer_scale2.lambda1 8
        norm.@ 8
        """;

    // transformers/models/siglip/modeling_siglip.py: SiglipVisionModel
    private const string TransformersSigLip = """
        vision_model.embeddings.patch_embedding.@ 8,3,2,2
        vision_model.embeddings.position_embedding.weight 16,8
        vision_model.encoder.layers.*.layer_norm1.@ 8
        vision_model.encoder.layers.*.self_attn.k_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.v_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.q_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.out_proj.@ 8,8
        vision_model.encoder.layers.*.layer_norm2.@ 8
        vision_model.encoder.layers.*.mlp.fc1.@ 12,8
        vision_model.encoder.layers.*.mlp.fc2.@ 8,12
        vision_model.post_layernorm.@ 8
        vision_model.head.probe 1,1,8
        vision_model.head.attention.in_proj_weight 24,8
        vision_model.head.attention.in_proj_bias 24
        vision_model.head.attention.out_proj.@ 8,8
        vision_model.head.layernorm.@ 8
        vision_model.head.mlp.fc1.@ 12,8
        vision_model.head.mlp.fc2.@ 8,12
        """;

    // transformers/models/clip/modeling_clip.py: CLIPVisionModelWithProjection ('pre_layrnorm' is its spelling)
    private const string TransformersClip = """
        vision_model.embeddings.class_embedding 8
        vision_model.embeddings.patch_embedding.weight 8,3,2,2
        vision_model.embeddings.position_embedding.weight 17,8
        vision_model.pre_layrnorm.@ 8
        vision_model.encoder.layers.*.layer_norm1.@ 8
        vision_model.encoder.layers.*.self_attn.k_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.v_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.q_proj.@ 8,8
        vision_model.encoder.layers.*.self_attn.out_proj.@ 8,8
        vision_model.encoder.layers.*.layer_norm2.@ 8
        vision_model.encoder.layers.*.mlp.fc1.@ 12,8
        vision_model.encoder.layers.*.mlp.fc2.@ 8,12
        vision_model.post_layernorm.@ 8
        visual_projection.weight 6,8
        """;

    // open_clip/transformer.py: VisionTransformer, ResidualAttentionBlock; clip/model.py of OpenAI
    private const string OpenClip = """
        visual.class_embedding 8
        visual.positional_embedding 17,8
        visual.proj 8,6
        visual.conv1.weight 8,3,2,2
        visual.ln_pre.@ 8
        visual.transformer.resblocks.*.ln_1.@ 8
        visual.transformer.resblocks.*.attn.in_proj_weight 24,8
        visual.transformer.resblocks.*.attn.in_proj_bias 24
        visual.transformer.resblocks.*.attn.out_proj.@ 8,8
        visual.transformer.resblocks.*.ln_2.@ 8
        visual.transformer.resblocks.*.mlp.c_fc.@ 12,8
        visual.transformer.resblocks.*.mlp.c_proj.@ 8,12
        visual.ln_post.@ 8
        """;

    // dinov2/models/vision_transformer.py, dinov2/layers/swiglu_ffn.py (ViT-g)
    private const string DinoV2Giant = """
        cls_token 1,1,8
        pos_embed 1,17,8
        mask_token 1,8
        patch_embed.proj.@ 8,3,2,2
        blocks.*.norm1.@ 8
        blocks.*.attn.qkv.@ 24,8
        blocks.*.attn.proj.@ 8,8
        blocks.*.ls1.gamma 8
        blocks.*.norm2.@ 8
        blocks.*.mlp.w12.@ 24,8
        blocks.*.mlp.w3.@ 8,12
        blocks.*.ls2.gamma 8
        norm.@ 8
        """;

    // dinov3/models/vision_transformer.py, dinov3/layers/attention.py: LinearKMaskedBias
    private const string DinoV3 = """
        cls_token 1,1,8
        storage_tokens 1,4,8
        mask_token 1,8
        patch_embed.proj.@ 8,3,2,2
        rope_embed.periods 1
        blocks.*.norm1.@ 8
        blocks.*.attn.qkv.@ 24,8
        blocks.*.attn.qkv.bias_mask 24
        blocks.*.attn.proj.@ 8,8
        blocks.*.ls1.gamma 8
        blocks.*.norm2.@ 8
        blocks.*.mlp.fc1.@ 12,8
        blocks.*.mlp.fc2.@ 8,12
        blocks.*.ls2.gamma 8
        norm.@ 8
        """;

    // timm/models/eva.py: Eva with SwiGLU (vit_huge_plus_patch16_dinov3)
    private const string TimmDinoV3Gated = """
        cls_token 1,1,8
        reg_token 1,4,8
        patch_embed.proj.@ 8,3,2,2
        blocks.*.gamma_1 8
        blocks.*.gamma_2 8
        blocks.*.norm1.@ 8
        blocks.*.attn.qkv.weight 24,8
        blocks.*.attn.q_bias 8
        blocks.*.attn.v_bias 8
        blocks.*.attn.proj.@ 8,8
        blocks.*.norm2.@ 8
        blocks.*.mlp.fc1_g.@ 12,8
        blocks.*.mlp.fc1_x.@ 12,8
        blocks.*.mlp.fc2.@ 8,12
        norm.@ 8
        """;

    [Theory]
    [InlineData("vit", "transformers-vit", TransformersViT)]
    [InlineData("deit distilled", "transformers-deit", TransformersDeiT)]
    [InlineData("dinov2 with registers", "transformers-dinov2", TransformersDinoV2)]
    [InlineData("dinov3 swiglu", "transformers-dinov3-gated", TransformersDinoV3)]
    [InlineData("siglip", "transformers-siglip", TransformersSigLip)]
    [InlineData("clip", "transformers-clip", TransformersClip)]
    [InlineData("clip", "open_clip", OpenClip)]
    [InlineData("dinov2 giant", "dinov2", DinoV2Giant)]
    [InlineData("dinov3", "dinov3", DinoV3)]
    [InlineData("dinov3 swiglu", "timm-eva-gated", TimmDinoV3Gated)]
    public void A_file_has_the_published_names_and_shapes_and_no_others(string family, string format, string published)
    {
        IEnumerable<string> written = SmallModel.InFormat(family, format).Select(tensor => $"{tensor.Entry.Name} {string.Join(',', tensor.Entry.Shape)}");
        Assert.Equal(Expand(published).Order(StringComparer.Ordinal), written.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Transformers_dinov2_giant_packs_gate_and_value()
    {
        Dictionary<string, TensorEntry> file = SmallModel.InFormat("dinov2 giant", "transformers-dinov2").ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Entry);
        Assert.Equal([24, 8], file["encoder.layer.1.mlp.weights_in.weight"].Shape);
        Assert.Equal([8, 12], file["encoder.layer.1.mlp.weights_out.weight"].Shape);
    }

    [Fact]
    public void Every_dialect_names_its_source() => Assert.All(StateDictFormats.All, format =>
    {
        Assert.Contains(".py", format.Source, StringComparison.Ordinal);
        Assert.True(format.IsReadOnly || StateDictFormats.Named(format.Name) == format);
    });

    [Fact]
    public void A_dialect_that_lacks_what_a_model_has_says_so() => Assert.Contains(
        "'dist_token': models of format transformers-vit have none like it",
        Assert.Throws<SnapViTException>(() => SmallModel.InFormat("deit distilled", "transformers-vit")).Message,
        StringComparison.Ordinal);

    [Fact]
    public void An_unknown_dialect_is_refused_with_the_list() =>
        Assert.Contains("expected one of dinov3, dinov2,", Assert.Throws<SnapViTException>(() => StateDictFormats.Named("keras")).Message, StringComparison.Ordinal);

    private static IEnumerable<string> Expand(string published) => published
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .SelectMany(line => line.Contains('*', StringComparison.Ordinal) ? new[] { line.Replace('*', '0'), line.Replace('*', '1') } : [line])
        .SelectMany(line => line.Contains('@', StringComparison.Ordinal)
            ? [line.Replace("@", "weight", StringComparison.Ordinal), $"{line[..line.IndexOf('@', StringComparison.Ordinal)]}bias {line.Split(' ')[1].Split(',')[0]}"]
            : new[] { line });
}
