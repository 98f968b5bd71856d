using System.IO.Enumeration;

namespace SnapViT.Tools.GoldenPacker;

/// <summary>What of the golden numbers travels: what a test reads, and nothing else.</summary>
internal static class Selection
{
    private static readonly string[] Everything = ["*"];

    /// <summary>Files by path, and the tensors kept of those that hold tensors. The first row that matches counts; without one a file stays out.</summary>
    private static readonly (string Files, string[] Tensors)[] Rows =
    [
        ("golden/*/model.safetensors", Everything),
        ("golden/*/io.safetensors", ["images", "features", "logits", "block_*", "forward_features", "x_*", "rope_*"]),
        ("golden/*/dino.safetensors", ["crops_?", "loss_per_sample_0", "blocks.*.grad", "mlp_raw", "head_raw", "*_scores"]),
        ("golden/dinov3_swiglu/criteria.safetensors", []),
        ("golden/siglip2/criteria.safetensors", ["lamp.*", "snip_dino.mlp", "snip_dino.head"]),
        ("golden/dinov3_mlp/criteria.safetensors", ["lamp.*", "snip_dino.mlp", "snip_dino.head"]),
        ("golden/*/criteria.safetensors", ["ce_images_?", "ce_labels_?", "ce.loss", "*.mlp", "*.head"]),
        ("golden/*/prune.safetensors", Everything),
        ("golden/timm_vit/sparsegpt.safetensors", ["corr_images_?", "elastic.0.*"]),
        ("golden/sparsegpt_unit/unit.safetensors", ["weight", "bias", "inputs", "mask_tail_cols",
            "tail.rtl.mean.0.01.f64", "tail.rtl.max.0.1", "tail.rtl.percentile.0.01"]),
        ("golden/xnes/*.safetensors", ["init_mean", "init_a", "w", "normals", "x", "y", "mean", "a"]),
        ("golden/prune_run/inputs.safetensors", ["crops", "fit_images"]),
        ("golden/prune_run/*.safetensors", ["normals", "x", "fitness", "init_mean", "best_x", "*_scores", "mean", "pruned.*_cols"]),
        ("golden/prune_run/index.json", Everything),
        ("golden/preprocess/preprocess.safetensors", ["*.decoded_rgb", "*.u8", "*.normalised_stride?", "*.dino_crops96.*"]),
        ("golden/preprocess/resize_unit.safetensors", ["*.src", "*.pil_*", "*.torch_bilinear_aa_float01"]),
        ("golden/preprocess/images/*", Everything),
        ("golden/pca/pca.safetensors", ["*.embeddings", "*.student", "*.transformed", "*.student_transformed"]),
        ("golden/pca/pca.json", Everything),
        ("golden/knn/knn.safetensors", ["train", "train_labels", "test", "predictions", "neighbours"]),
        ("golden/linear_probe/lp.safetensors", ["train*", "valid*", "test*", "single_*", "sweep_*"]),
        ("golden/linear_probe/lp.json", Everything),
        ("golden/cka/cka.safetensors", ["images", "*.module.*", "*.prunable_*", "dino_crops"]),
        ("golden/cka/corr_nearest.safetensors", Everything),
        ("golden/*/config.json", Everything),
        ("golden/*/prune.json", Everything),
        ("golden/*/importance-scores.pt", Everything),
        ("golden/ranking_unit.json", Everything),
        ("golden/real_models.json", Everything),
        ("official/keep_counts.json", Everything),
        ("official/deit_tiny_reference_scores.pt", Everything),
        ("official/scores/imagenet-1k/*.pt", Everything),
    ];

    /// <summary>Whether a file has anything that is kept.</summary>
    public static bool Keeps(string path) => TensorsOf(path).Length > 0;

    /// <summary>Whether a tensor of a file is kept.</summary>
    public static bool Keeps(string path, string tensor) =>
        TensorsOf(path).Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, tensor, ignoreCase: false));

    /// <summary>Whether a tensor is an image of bytes. Digests of its rows travel: all 25 of them would be a quarter of the set.</summary>
    public static bool IsImage(string path, string tensor) => path == "golden/preprocess/preprocess.safetensors"
        && (tensor.EndsWith(".decoded_rgb", StringComparison.Ordinal) || tensor.EndsWith(".u8", StringComparison.Ordinal));

    private static string[] TensorsOf(string path) =>
        Rows.FirstOrDefault(row => FileSystemName.MatchesSimpleExpression(row.Files, path, ignoreCase: false)).Tensors ?? [];
}
