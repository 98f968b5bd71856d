using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Tests.Data;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

/// <summary>Every way a model file can be wrong is one clear line, and nothing of the half-read model stays in memory.</summary>
[LeakCheck]
public sealed class ModelFileFaultTests : IDisposable
{
    private readonly TemporaryImages _folder = new();
    private readonly string _path;

    public ModelFileFaultTests() => _path = SmallModels.Save(System.IO.Path.Combine(_folder.Root, "model.safetensors"), SmallModels.Vit);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("blocks.1.mlp.fc1.weight", "expected shape [24, 16], found [23, 16]", 23, 16)]
    [InlineData("blocks.2.attn.qkv.bias", "expected shape [48], found [47]", 47)]
    public void A_wrong_shape_names_tensor_expected_and_found(string name, string fault, params int[] shape)
    {
        CheckpointEdits.WithShape(_path, name, [.. shape.Select(side => (long)side)]);
        Refused(fault, name);
    }

    /// <summary>A model that was cut here, then fine-tuned on other classes, or saved without a classifier.</summary>
    [Theory]
    [InlineData(7)]
    [InlineData(0)]
    public void Another_classifier_than_the_config_s_is_that_of_the_file(int classes)
    {
        CheckpointEdits.WithTensors(_path, tensors =>
        {
            tensors.Remove("head.weight");
            tensors.Remove("head.bias");
            if (classes > 0)
            {
                tensors.Add("head.weight", CheckpointEdits.Ones("head.weight", classes, 16));
                tensors.Add("head.bias", CheckpointEdits.Ones("head.bias", classes));
            }
        });
        using LoadedModel loaded = ModelFile.Load(_path);
        Assert.Equal(classes, loaded.Model.Architecture.Classes);
        Assert.Contains(($"classes {classes}", "the file's classifier; the config in it says 3"), loaded.Description.Sources);
    }

    /// <summary>What timm's trainer leaves: the weights and their moving average.</summary>
    [Fact]
    public void Of_two_models_in_a_file_the_one_asked_for_is_loaded()
    {
        CheckpointEdits.WithTensors(
            _path,
            tensors =>
            {
                foreach (TensorToWrite tensor in tensors.Values.ToArray())
                {
                    tensors.Remove(tensor.Entry.Name);
                    string raw = "state_dict." + tensor.Entry.Name, average = "state_dict_ema." + tensor.Entry.Name;
                    tensors.Add(raw, new TensorToWrite(raw, tensor.Entry.Type, tensor.Entry.Shape, tensor.Write));
                    tensors.Add(average, CheckpointEdits.Ones(average, [.. tensor.Entry.Shape]));
                }
            },
            keepMetadata: false);
        Refused("expected one model, found 2: 'state_dict' and 'state_dict_ema'; pass --weights state_dict or --weights state_dict_ema", tensorIsNamed: false);
        using LoadedModel average = ModelFile.Load(_path, new ModelHints { Heads = 4, Weights = "ema" });
        using Tensor token = average.Model.Weights["cls_token"].mean();
        Assert.Equal(1, token.item<float>());
        Assert.Equal(SmallModels.Vit, average.Model.Architecture);
    }

    [Fact]
    public void Images_are_not_prepared_by_a_guess_where_a_family_has_several_settings()
    {
        SmallModels.Save(_path, SmallModels.Architecture("clip"));
        CheckpointEdits.WithTensors(_path, _ => { }, keepMetadata: false);
        using LoadedModel clip = ModelFile.Load(_path, new ModelHints { Heads = 4, Activation = Activation.QuickGelu });
        Assert.Null(clip.Preprocessing);
        Assert.Contains("pass --preprocess clip", Assert.Throws<CheckpointFormatException>(() => clip.PreprocessingOrReference).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_quantised_tensor_is_refused_with_what_to_do()
    {
        CheckpointEdits.WithTensors(_path, tensors => tensors["norm.bias"] = new TensorToWrite("norm.bias", TensorType.Float8E4M3, [16], stream => stream.Write(new byte[16])));
        Refused("found F8_E4M3: pass the model before it was quantised", "norm.bias");
    }

    [Fact]
    public void Patches_of_other_channels_are_refused()
    {
        CheckpointEdits.WithTensors(_path, tensors => tensors["patch_embed.proj.weight"] = CheckpointEdits.Ones("patch_embed.proj.weight", 16, 4, 4, 4), keepMetadata: false);
        Refused("expected a model of images with 3 channels (red, green, blue), found patches of 4", "patch_embed.proj.weight");
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        CheckpointEdits.WithTensors(_path, tensors => tensors.Remove("cls_token"));
        Refused("expected shape [1, 1, 16], found no such tensor", "cls_token");
    }

    [Fact]
    public void An_unexpected_tensor_is_named()
    {
        CheckpointEdits.WithTensors(_path, tensors => tensors.Add("blocks.0.mlp.fc9.weight", CheckpointEdits.Ones("blocks.0.mlp.fc9.weight", 2)));
        Refused("no such tensor", "blocks.0.mlp.fc9.weight");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_weight_that_is_not_finite_is_counted_and_named(float value)
    {
        CheckpointEdits.WithValue(_path, "blocks.2.mlp.fc2.weight", 17, value);
        Refused("expected finite values, found 1 NaN or infinite of 384", "blocks.2.mlp.fc2.weight");
    }

    [Fact]
    public void A_tensor_of_integers_is_refused_with_its_type()
    {
        CheckpointEdits.WithTensors(_path, tensors => tensors["norm.bias"] = TensorToWrite.From("norm.bias", new long[16], 16));
        Refused("expected a floating-point tensor of 16 to 64 bits, found I64", "norm.bias");
    }

    [Theory]
    [InlineData(0, "an empty file")]
    [InlineData(0.0001, "expected at least 8 bytes")]
    [InlineData(0.01, "expected a header")]
    [InlineData(0.5, "lie outside the data")]
    [InlineData(0.999, "lie outside the data")]
    public void A_file_that_was_cut_short_is_refused(double share, string fault)
    {
        CheckpointEdits.CutShort(_path, share);
        Refused(fault, tensorIsNamed: share >= 0.5);
    }

    [Fact]
    public void A_header_of_2_to_the_63_bytes_is_refused()
    {
        CheckpointEdits.WithHeaderLength(_path, 1UL << 63);
        Refused("expected a header of at most 100000000 bytes, found a length of 9223372036854775808", tensorIsNamed: false);
    }

    [Theory]
    [InlineData("this is a text file and no checkpoint at all")]
    [InlineData("{\"model\": \"a JSON file is none either\"}")]
    public void Garbage_is_refused(string content)
    {
        File.WriteAllText(_path, content);
        Refused("expected", tensorIsNamed: false);
    }

    [Fact]
    public void Heads_that_nothing_tells_are_asked_for()
    {
        CheckpointEdits.WithTensors(_path, _ => { }, keepMetadata: false);
        Refused("width 16, 3 blocks and 24 neurons fit no known model; pass --num-heads", tensorIsNamed: false);
    }

    [Fact]
    public void Heads_that_do_not_divide_the_width_are_refused()
    {
        CheckpointEdits.WithTensors(_path, _ => { }, keepMetadata: false);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(_path, heads: 5));
        Assert.Contains("--num-heads: expected", exception.Message, StringComparison.Ordinal);
        Assert.Contains("the width 16, found 5", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_of_something_else_is_refused()
    {
        SafetensorsWriter.Write(_path, [CheckpointEdits.Ones("conv1.weight", 4, 3), CheckpointEdits.Ones("layer1.0.bn1.bias", 4)]);
        Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(_path));
    }

    [Theory]
    [InlineData("{", "not a valid model config")]
    [InlineData("null", "expected a model config, found null")]
    [InlineData("{\"Depth\": 3}", "not a valid model config")]
    public void A_damaged_config_is_refused(string config, string fault)
    {
        SafetensorsWriter.Write(_path, [CheckpointEdits.Ones("cls_token", 1, 1, 16)], new Dictionary<string, string> { [ModelConfig.MetadataKey] = config });
        Refused(fault, tensorIsNamed: false);
    }

    [Theory]
    [InlineData("\"Depth\":3", "\"Depth\":4", "expected 4 blocks, found 3")]
    [InlineData("\"Width\":16", "\"Width\":-16", "EmbedDim must be positive, found -16")]
    [InlineData("\"ImageSize\":16", "\"ImageSize\":1600000000", "image size 1600000000 is more than 1024 patches of 4")]
    [InlineData("\"Heads\":[4,4,4]", "\"Heads\":[4,4]", "found 2 of heads and 3 of neurons")]
    [InlineData("\"Heads\":[4,4,4]", "\"Heads\":[4,9,4]", "block 1: expected at most 4 heads, found 9")]
    [InlineData("\"Neurons\":[24,24,24]", "\"Neurons\":[24,24,20]", "expected shape [20, 16], found [24, 16]")]
    [InlineData("\"Depth\":3", "\"Layers\":3", "Layers")]
    [InlineData("\"Heads\":[4,4,4]", "\"Heads\":null", "not a valid model config: $.Heads: expected a value, found null")]
    [InlineData("\"Neurons\":[24,24,24]", "\"Neurons\":null", "not a valid model config: $.Neurons: expected a value, found null")]
    [InlineData("\"Provenance\":{}", "\"Provenance\":null", "not a valid model config: $.Provenance: expected a value, found null")]
    public void A_config_that_contradicts_itself_or_the_tensors_is_refused(string from, string to, string fault)
    {
        byte[] file = File.ReadAllBytes(_path);
        string text = Encoding.Latin1.GetString(file);
        string escapedFrom = from.Replace("\"", "\\u0022", StringComparison.Ordinal), escapedTo = to.Replace("\"", "\\u0022", StringComparison.Ordinal);
        Assert.Contains(escapedFrom, text, StringComparison.Ordinal);
        string changed = text.Replace(escapedFrom, escapedTo, StringComparison.Ordinal);
        byte[] bytes = Encoding.Latin1.GetBytes(changed);
        ulong header = BitConverter.ToUInt64(file) + (ulong)(bytes.Length - file.Length);
        File.WriteAllBytes(_path, bytes);
        CheckpointEdits.WithHeaderLength(_path, header);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(_path));
        Assert.Contains(fault, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        string missing = _path + ".missing";
        FileNotFoundException exception = Assert.Throws<FileNotFoundException>(() => ModelFile.Load(missing));
        Assert.Contains(missing, exception.Message, StringComparison.Ordinal);
    }

    private void Refused(string fault, string tensor) => Assert.Equal(tensor, Refused(fault, tensorIsNamed: true).Tensor);

    private CheckpointFormatException Refused(string fault, bool tensorIsNamed)
    {
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ModelFile.Load(_path));
        Assert.Contains(fault, exception.Message, StringComparison.Ordinal);
        Assert.StartsWith(_path, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
        Assert.Equal(tensorIsNamed, exception.Tensor is not null);
        return exception;
    }
}
