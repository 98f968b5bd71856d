using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Formats;

public sealed class CanonicalArchiveTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("vit", "timm", "model.")]
    [InlineData("vit", "timm", "state_dict.")]
    [InlineData("dinov2", "dinov2", "teacher.backbone.")]
    [InlineData("vit without classes", "timm", "teacher.module.backbone.")]
    [InlineData("siglip", "open_clip-trunk", "state_dict.module.")]
    [InlineData("clip", "transformers-clip", "model.")]
    public void Wrappers_and_prefixes_are_taken_off(string family, string format, string wrapper)
    {
        using CanonicalArchive archive = Open(SmallModel.InFormat(family, format).Select(tensor => tensor.Renamed(wrapper + tensor.Entry.Name)));
        Assert.Equal(format, archive.StateDictFormat.Name);
        Assert.StartsWith(wrapper, archive.Prefix, StringComparison.Ordinal);
    }

    // facebookresearch/dino, main_dino.py: a full checkpoint has student, teacher and optimizer, each with its heads.
    [Fact]
    public void Of_a_training_checkpoint_the_teacher_is_read()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit without classes", "timm");
        using CanonicalArchive archive = Open(
        [
            .. model.Select(tensor => tensor.Renamed("teacher.backbone." + tensor.Entry.Name)),
            .. model.Select(tensor => tensor.Renamed("student.module.backbone." + tensor.Entry.Name)),
            SmallModel.Ones("teacher.head.mlp.0.weight", 3), SmallModel.Ones("teacher.head.last_layer.weight_g", 3),
            SmallModel.Ones("optimizer.state.0.exp_avg", 2), SmallModel.Ones("dino_loss.center", 1, 4),
        ]);
        Assert.Equal("teacher.backbone.", archive.Prefix);
        Assert.Equal(model.Count + 4, archive.UnusedTensors.Count);
    }

    [Fact]
    public void Two_models_in_one_file_are_a_doubt()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        Assert.Contains("expected one model, found two: 'model.' and 'teacher.'", Refused(
            [.. model.Select(tensor => tensor.Renamed("model." + tensor.Entry.Name)), .. model.Select(tensor => tensor.Renamed("teacher." + tensor.Entry.Name))]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("siglip", "open_clip-trunk", "text.transformer.resblocks.0.ln_1.weight")]
    [InlineData("siglip", "open_clip-trunk", "logit_scale")]
    [InlineData("siglip", "transformers-siglip", "text_model.embeddings.token_embedding.weight")]
    [InlineData("clip", "open_clip", "transformer.resblocks.0.ln_1.weight")]
    [InlineData("clip", "open_clip", "positional_embedding")]
    [InlineData("clip", "transformers-clip", "vision_model.embeddings.position_ids")]
    [InlineData("clip", "transformers-clip", "text_projection.weight")]
    [InlineData("vit", "transformers-vit", "vit.pooler.dense.weight")]
    [InlineData("dinov3", "dinov3", "local_cls_norm.weight")]
    public void What_a_family_may_carry_beside_its_backbone_is_listed(string family, string format, string name)
    {
        using CanonicalArchive archive = Open([.. SmallModel.InFormat(family, format), SmallModel.Ones(name, 2)]);
        Assert.Contains(name, archive.UnusedTensors);
    }

    [Theory]
    [MemberData(nameof(SmallModel.Published), MemberType = typeof(SmallModel))]
    public void A_tensor_that_belongs_to_nothing_is_refused_by_name(string family, string format)
    {
        List<TensorToWrite> model = SmallModel.InFormat(family, format);
        string prefix = format switch { "open_clip-trunk" => "visual.trunk.", "open_clip" => "visual.", "transformers-siglip" or "transformers-siglip2" or "transformers-clip" => "vision_model.", _ => "" };
        string message = Refused([.. model, SmallModel.Ones(prefix + "blocks.0.adapter.weight", 2), SmallModel.Ones("surprise", 2)]);
        Assert.Contains($"tensor '{prefix}blocks.0.adapter.weight': a model of format {format} has no such tensor (nor 'surprise')", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vit", "transformers-vit", "vit.encoder.layer.1.attention.attention.key.weight")]
    [InlineData("clip", "transformers-clip", "vision_model.encoder.layers.0.self_attn.v_proj.bias")]
    [InlineData("dinov3", "transformers-dinov3", "layer.1.attention.k_proj.weight")]
    public void A_missing_part_of_a_fused_layer_is_refused_by_name(string family, string format, string name)
    {
        List<TensorToWrite> model = SmallModel.InFormat(family, format);
        Assert.Equal(1, model.RemoveAll(tensor => tensor.Entry.Name == name));
        Assert.Contains($"tensor '{name}': expected it beside '", Refused(model), StringComparison.Ordinal);
    }

    [Fact]
    public void Parts_of_a_layer_that_differ_in_shape_are_refused()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "transformers-vit");
        int key = model.FindIndex(tensor => tensor.Entry.Name == "vit.encoder.layer.0.attention.attention.key.weight");
        model[key] = SmallModel.Ones(model[key].Entry.Name, 7, 8);
        Assert.Contains("key.weight': expected type and shape of vit.encoder.layer.0.attention.attention.query.weight F32[8, 8], found", Refused(model), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_another_network_is_refused_with_examples() =>
        Assert.Contains("found 1 tensors of other names, such as 'layer1.0.conv1.weight'", Refused([SmallModel.Ones("layer1.0.conv1.weight", 1)]), StringComparison.Ordinal);

    // dinov3/layers/attention.py: the mask is made of NaN and filled in later; what is selected must never be multiplied.
    [Fact]
    public void Nan_in_the_masked_bias_or_in_a_mask_never_filled_spreads_nowhere()
    {
        List<TensorToWrite> model = SmallModel.InFormat("dinov3", "dinov3");
        Replace("blocks.0.attn.qkv.bias", i => i is >= 8 and < 16 ? float.NaN : i + 1);
        Replace("blocks.1.attn.qkv.bias_mask", _ => float.NaN);
        Replace("blocks.1.attn.qkv.bias", i => i + 1);
        using CanonicalArchive archive = Open(model);
        float[] expected = [.. Enumerable.Range(0, 24).Select(i => i is >= 8 and < 16 ? 0f : i + 1)];
        Assert.Equal(expected, archive.ReadFloats("blocks.0.attn.qkv.bias"));
        Assert.Equal(expected, archive.ReadFloats("blocks.1.attn.qkv.bias"));

        void Replace(string name, Func<int, float> value) =>
            model[model.FindIndex(tensor => tensor.Entry.Name == name)] = TensorToWrite.From(name, Enumerable.Range(0, 24).Select(value).ToArray(), 24);
    }

    // The reference's pruned models: OptionalLinear keeps its layer as 'linear'; SigLIP's blocks are there twice (src/models/clip.py).
    [Fact]
    public void Pruned_files_of_the_reference_have_wrapped_classifiers_and_blocks_twice()
    {
        using CanonicalArchive distilled = Open(SmallModel.InFormat("deit distilled", "timm").Select(tensor => tensor.Renamed(
            tensor.Entry.Name.Replace("head.", "head.linear.", StringComparison.Ordinal).Replace("head_dist.", "head_dist.linear.", StringComparison.Ordinal))));
        Assert.Equal([5, 8], distilled.Tensors["head.weight"].Shape);
        Assert.Equal([5, 8], distilled.Tensors["head_dist.weight"].Shape);

        TensorToWrite[] siglip = [.. SmallModel.InFormat("siglip", "open_clip-trunk").Select(tensor => tensor.Renamed(tensor.Entry.Name["visual.".Length..]))];
        using CanonicalArchive twice = Open(
            [.. siglip, .. siglip.Where(tensor => tensor.Entry.Name.Contains("blocks", StringComparison.Ordinal)).Select(tensor => tensor.Renamed(tensor.Entry.Name["trunk.".Length..]))]);
        Assert.Equal("trunk.", twice.Prefix);
        Assert.Equal(siglip.Length, twice.Tensors.Count);
    }

    private CanonicalArchive Open(IEnumerable<TensorToWrite> tensors)
    {
        SafetensorsWriter.Write(_folder.File("model"), tensors);
        return CanonicalArchive.Open(SafetensorsReader.Open(_folder.File("model")));
    }

    private string Refused(IEnumerable<TensorToWrite> tensors)
    {
        string message = Assert.Throws<CheckpointFormatException>(() => Open(tensors)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
