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
    public void Student_and_teacher_are_a_doubt_that_a_choice_ends()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit without classes", "timm");
        TensorToWrite[] file =
        [
            .. model.Select(tensor => tensor.Renamed("teacher.backbone." + tensor.Entry.Name)),
            .. model.Select(tensor => tensor.Renamed("student.module.backbone." + tensor.Entry.Name)),
            SmallModel.Ones("teacher.head.mlp.0.weight", 3), SmallModel.Ones("teacher.head.last_layer.weight_g", 3),
            SmallModel.Ones("optimizer.state.0.exp_avg", 2), SmallModel.Ones("dino_loss.center", 1, 4),
        ];
        Assert.Contains(
            "expected one model, found 2: 'teacher.backbone' and 'student.module.backbone'; pass --weights teacher or --weights student",
            Refused(file),
            StringComparison.Ordinal);
        using CanonicalArchive archive = Open(file, "teacher");
        Assert.Equal("teacher.backbone.", archive.Prefix);
        Assert.Equal(model.Count + 4, archive.UnusedTensors.Count);
    }

    // One tensor is enough to look like the beginning of a model.
    [Fact]
    public void Thousands_of_beginnings_of_models_are_counted_and_a_few_named()
    {
        string message = Refused([.. Enumerable.Range(0, 30_000).Select(i => SmallModel.Ones($"m{i}.patch_embed.proj.weight", 1))]);
        Assert.Contains("found 30000: 'm0' and 'm1' and", message, StringComparison.Ordinal);
        Assert.EndsWith("'m7' and 29992 more", message, StringComparison.Ordinal);
    }

    // timm: utils/checkpoint_saver.py. A moving average beside the model: 'ema' is a word of its name.
    [Theory]
    [InlineData("state_dict_ema", "state_dict_ema.", 7)]
    [InlineData("ema", "state_dict_ema.", 7)]
    [InlineData("state_dict", "state_dict.", 0)]
    public void The_moving_average_of_a_training_checkpoint_is_chosen_by_a_word_of_its_name(string weights, string prefix, float first)
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        using CanonicalArchive archive = Open(
            [.. model.Select(tensor => tensor.Renamed("state_dict." + tensor.Entry.Name)), .. model.Select(tensor => Sevens("state_dict_ema.", tensor))], weights);
        Assert.Equal(prefix, archive.Prefix);
        Assert.Equal(first == 7, archive.ReadFloats("cls_token").All(value => value == 7));
        Assert.Contains("--weights momentum: expected the name of a model of the file", Refused(
            [.. model, .. model.Select(tensor => Sevens("ema.", tensor))], "momentum"), StringComparison.Ordinal);

        static TensorToWrite Sevens(string prefix, TensorToWrite tensor) => TensorToWrite.From(
            prefix + tensor.Entry.Name, Enumerable.Repeat(7f, (int)tensor.Entry.ElementCount).ToArray(), tensor.Entry.Shape);
    }

    [Fact]
    public void A_model_at_the_top_beside_another_is_called_top()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        TensorToWrite[] file = [.. model, .. model.Select(tensor => tensor.Renamed("ema." + tensor.Entry.Name))];
        Assert.Contains("pass --weights top or --weights ema", Refused(file), StringComparison.Ordinal);
        using CanonicalArchive top = Open(file, "top");
        Assert.Equal(model.Count, top.UnusedTensors.Count);
    }

    // torch.compile, FSDP, activation checkpointing: parts that stand anywhere in a name.
    [Theory]
    [InlineData("_orig_mod.")]
    [InlineData("module._orig_mod.")]
    [InlineData("net._fsdp_wrapped_module.")]
    [InlineData("student.module.model.encoder.")]
    [InlineData("timm_model.")]
    public void Any_wrapper_is_taken_off(string wrapper)
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        using CanonicalArchive archive = Open(
        [
            .. model.Select(tensor => tensor.Renamed(wrapper + tensor.Entry.Name.Replace("attn.", "attn._checkpoint_wrapped_module.", StringComparison.Ordinal))),
            .. wrapper == "_orig_mod." ? Array.Empty<TensorToWrite>() : [SmallModel.Ones("something.else", 3)],
        ]);
        Assert.Equal(model.Count, archive.Tensors.Count);
        Assert.Equal(wrapper == "_orig_mod." ? [] : ["something.else"], archive.UnusedTensors);
        Assert.Contains("_checkpoint_wrapped_module.qkv.weight", archive.NameInFile("blocks.0.attn.qkv.weight"), StringComparison.Ordinal);
        Assert.Equal(48, archive.ReadFloats("blocks.1.attn.qkv.weight").Length / 4);
    }

    [Fact]
    public void A_wrapper_that_makes_two_tensors_one_is_refused()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        Assert.Contains(
            "tensor '_orig_mod.cls_token': expected one tensor 'cls_token', found it also as 'cls_token'",
            Refused([.. model, SmallModel.Ones("_orig_mod.cls_token", 1)]),
            StringComparison.Ordinal);
    }

    // facebookresearch/dinov2, models/vision_transformer.py: chunks hold their blocks at the place that these have in the whole.
    [Fact]
    public void Blocks_in_chunks_are_blocks()
    {
        List<TensorToWrite> model = SmallModel.InFormat("dinov2", "dinov2");
        using CanonicalArchive archive = Open(model.Select(tensor => tensor.Renamed(
            "teacher.backbone." + tensor.Entry.Name.Replace("blocks.0.", "blocks.0.0.", StringComparison.Ordinal).Replace("blocks.1.", "blocks.3.1.", StringComparison.Ordinal))));
        Assert.Equal(2, archive.Tensors.Keys.Count(name => name.EndsWith("norm1.weight", StringComparison.Ordinal)));
    }

    /// <summary>A tensor beside the model that is named as one of those it lacks: perhaps one damaged name, and a model without it is another model.</summary>
    [Fact]
    public void A_tensor_that_the_model_lacks_and_that_stands_beside_it_is_refused()
    {
        IEnumerable<TensorToWrite> file = SmallModel.InFormat("dinov3", "dinov3")
            .Select(tensor => tensor.Renamed((tensor.Entry.Name == "storage_tokens" ? "teachfr." : "teacher.") + tensor.Entry.Name));
        Assert.Contains("tensor 'teachfr.storage_tokens'", Refused(file), StringComparison.Ordinal);
    }

    // MoCo-v3: the projection of training is in the place of a classifier. MAE: its decoder.
    [Theory]
    [InlineData("head.0.weight")]
    [InlineData("head.7.running_mean")]
    [InlineData("decoder_blocks.0.attn.qkv.weight")]
    public void Heads_of_pre_training_are_listed(string name)
    {
        using CanonicalArchive archive = Open([.. SmallModel.InFormat("vit without classes", "timm"), SmallModel.Ones(name, 2)]);
        Assert.Equal([name], archive.UnusedTensors);
    }

    [Fact]
    public void A_classifier_behind_a_layer_of_its_own_is_left_out_and_said()
    {
        using CanonicalArchive archive = Open([.. SmallModel.InFormat("vit", "timm"), SmallModel.Ones("pre_logits.fc.weight", 8, 8), SmallModel.Ones("pre_logits.fc.bias", 8)]);
        Assert.Equal(["head.weight", "head.bias", "pre_logits.fc.weight", "pre_logits.fc.bias"], archive.UnusedTensors);
        Assert.NotNull(archive.StateDictFormat.Remark);
    }

    [Fact]
    public void A_norm_after_pooling_is_known_by_its_name()
    {
        using CanonicalArchive archive = Open(SmallModel.InFormat("vit", "timm").Select(tensor => tensor.Renamed(
            tensor.Entry.Name.StartsWith("norm.", StringComparison.Ordinal) ? "fc_" + tensor.Entry.Name : tensor.Entry.Name)));
        Assert.True(archive.NormAfterPool);
        Assert.True(archive.Tensors.ContainsKey("norm.weight"));
    }

    // Blocks built on nn.MultiheadAttention and nn.Sequential, with timm's other names.
    [Theory]
    [InlineData("mlp.3")]
    [InlineData("mlp.2")]
    public void Attention_and_mlp_of_torch_s_own_classes_are_read(string second)
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        using CanonicalArchive archive = Open(model.Select(tensor => tensor.Renamed(tensor.Entry.Name
            .Replace("attn.qkv.", "attn.in_proj_", StringComparison.Ordinal).Replace("attn.proj", "attn.out_proj", StringComparison.Ordinal)
            .Replace("mlp.fc1", "mlp.0", StringComparison.Ordinal).Replace("mlp.fc2", second, StringComparison.Ordinal))));
        Assert.Equal(model.Select(tensor => tensor.Entry.Name).Order(), archive.Tensors.Keys.Order());
    }

    [Fact]
    public void Older_torchvision_named_the_layers_of_its_mlp()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "torchvision");
        using CanonicalArchive archive = Open(model.Select(tensor => tensor.Renamed(
            tensor.Entry.Name.Replace("mlp.0", "mlp.linear_1", StringComparison.Ordinal).Replace("mlp.3", "mlp.linear_2", StringComparison.Ordinal))));
        Assert.Equal(model.Count, archive.Tensors.Count);
    }

    // transformers 5: conversion_mapping.py.
    [Theory]
    [InlineData("dinov3", "transformers-dinov3", "layer.", "model.layer.")]
    [InlineData("dinov3 swiglu", "transformers-dinov3-gated", "layer.", "model.layer.")]
    [InlineData("clip", "transformers-clip", "vision_model.", "")]
    [InlineData("siglip", "transformers-siglip", "vision_model.", "")]
    public void Names_of_transformers_5_are_read(string family, string format, string before, string after)
    {
        List<TensorToWrite> model = SmallModel.InFormat(family, format);
        using CanonicalArchive archive = Open(model.Select(tensor => tensor.Renamed(
            tensor.Entry.Name.StartsWith(before, StringComparison.Ordinal) ? after + tensor.Entry.Name[before.Length..] : tensor.Entry.Name)));
        Assert.Equal(format, archive.StateDictFormat.Name);
        Assert.Equal(SmallModel.Tensors(SmallModel.Architecture(family)).Count, archive.Tensors.Count);
    }

    // transformers: models/deit, DeiTForImageClassification: one classifier, on the class token.
    [Fact]
    public void Distilled_models_with_one_classifier_are_read()
    {
        using CanonicalArchive archive = Open(SmallModel.InFormat("deit distilled", "transformers-deit")
            .Where(tensor => !tensor.Entry.Name.StartsWith("distillation_classifier", StringComparison.Ordinal))
            .Select(tensor => tensor.Renamed(tensor.Entry.Name.Replace("cls_classifier", "classifier", StringComparison.Ordinal))));
        Assert.True(archive.Tensors.ContainsKey("head.weight"));
        Assert.False(archive.Tensors.ContainsKey("head_dist.weight"));
    }

    [Fact]
    public void Two_models_in_one_file_are_a_doubt()
    {
        List<TensorToWrite> model = SmallModel.InFormat("vit", "timm");
        Assert.Contains("expected one model, found 2: 'model' and 'teacher'; pass --weights model or --weights teacher", Refused(
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
        prefix = (family, format) switch { ("vit", "transformers-vit") => "vit.", ("deit distilled", "transformers-deit") => "deit.", _ => prefix };
        string message = Refused([.. model, SmallModel.Ones(prefix + "blocks.0.adapter.weight", 2), SmallModel.Ones("surprise", 2)]);
        string others = prefix.Length > 0 ? "" : " (nor 'surprise')";
        Assert.EndsWith($"tensor '{prefix}blocks.0.adapter.weight': a model of format {format} has no such tensor{others}", message, StringComparison.Ordinal);
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

    private CanonicalArchive Open(IEnumerable<TensorToWrite> tensors, string? weights = null)
    {
        SafetensorsWriter.Write(_folder.File("model"), tensors);
        return CanonicalArchive.Open(SafetensorsReader.Open(_folder.File("model")), weights);
    }

    private string Refused(IEnumerable<TensorToWrite> tensors, string? weights = null)
    {
        string message = Assert.Throws<CheckpointFormatException>(() => Open(tensors, weights)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
