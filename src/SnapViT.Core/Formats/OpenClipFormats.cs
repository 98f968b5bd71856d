using static SnapViT.Core.Formats.KeyRule;

namespace SnapViT.Core.Formats;

/// <summary>Formats of open_clip and of OpenAI's CLIP: the image tower of a two-tower model.</summary>
internal static class OpenClipFormats
{
    private const string Block = "transformer.resblocks.*.";
    private const string Canonical = "blocks.*.";

    /// <summary>
    /// A timm model inside open_clip (SigLIP). The reference's own files have its blocks and patch embedding a second time, beside the
    /// trunk.
    /// </summary>
    public static StateDictFormat Trunk { get; } = new()
    {
        Name = "open_clip-trunk",
        Marker = "patch_embed.proj.weight",
        Prefixes = ["visual.trunk.", "trunk."],
        Rules = CanonicalRows.All,
        Unused = ["/text.*", "/logit_scale", "/logit_bias", "/blocks.*", "/patch_embed.*"],
        Source = "mlfoundations/open_clip: src/open_clip/timm_model.py",
    };

    public static StateDictFormat Native { get; } = new()
    {
        Name = "open_clip",
        Marker = "conv1.weight",
        Signs = ["class_embedding"],
        Prefixes = ["visual.", ""],
        Rules =
        [
            Of("cls_token", "class_embedding") with { Layout = TensorLayout.Unbatched },
            Of("pos_embed", "positional_embedding") with { Layout = TensorLayout.Unbatched },
            .. Layer("patch_embed.proj", "conv1"),
            .. Layer("norm_pre", "ln_pre"),
            .. Layer(Canonical + "norm1", Block + "ln_1"),
            Of(Canonical + "attn.qkv.weight", Block + "attn.in_proj_weight"),
            Of(Canonical + "attn.qkv.bias", Block + "attn.in_proj_bias"),
            .. Layer(Canonical + "attn.proj", Block + "attn.out_proj"),
            Of(Canonical + "ls1.gamma", Block + "ls_1.gamma"),
            .. Layer(Canonical + "norm2", Block + "ln_2"),
            .. Layer(Canonical + "mlp.fc1", Block + "mlp.c_fc"),
            .. Layer(Canonical + "mlp.fc2", Block + "mlp.c_proj"),
            Of(Canonical + "ls2.gamma", Block + "ls_2.gamma"),
            .. Layer("norm", "ln_post"),
            Of("projection.weight", "proj") with { Layout = TensorLayout.Transposed },
        ],
        Unused =
        [
            "/text.*", "/transformer.*", "/token_embedding.weight", "/positional_embedding", "/ln_final.*",
            "/text_projection", "/text_projection.weight",
            "/logit_scale", "/logit_bias", "/attn_mask", "/input_resolution", "/context_length", "/vocab_size",
        ],
        LayerNormEpsilon = 1e-5,
        Activation = null,
        Source = "mlfoundations/open_clip: src/open_clip/transformer.py, model.py; openai/CLIP: clip/model.py",
    };
}
