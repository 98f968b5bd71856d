using System.Text.Json.Nodes;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tests.Export;
using SnapViT.Tests.Data;

namespace SnapViT.Tests.Loading;

/// <summary>Every member of every config is tried as null, absent and of other types: a fact is used or refused by name, and nothing else ever happens.</summary>
public sealed class ConfigMemberTests : IDisposable
{
    private static readonly JsonNode?[] Others = [null, "text", true, 0, -2147483648, 1e300, new JsonArray(), new JsonArray(null, null, null), new JsonObject()];

    private readonly TemporaryImages _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("config.json", """{"model_type":"vit","hidden_size":16,"num_hidden_layers":3,"num_attention_heads":4,"patch_size":4,"intermediate_size":24,"hidden_act":"gelu","layer_norm_eps":1e-6,"image_size":16,"id2label":{"0":"cat","1":"dog"},"rope_parameters":{"rope_theta":100,"rope_type":"default"}}""")]
    [InlineData("config.json", """{"model_type":"clip","vision_config":{"model_type":"clip_vision_model","hidden_size":16,"num_attention_heads":4}}""")]
    [InlineData("config.json", """{"architecture":"vit_tiny_patch16_224","num_classes":10,"global_pool":"token","model_args":{"img_size":224},"label_names":["a","b"],"pretrained_cfg":{"input_size":[3,224,224],"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"interpolation":"bicubic","crop_pct":0.9,"crop_mode":"center","label_names":["a","b"]}}""")]
    [InlineData("open_clip_config.json", """{"model_cfg":{"quick_gelu":true,"vision_cfg":{"image_size":224,"layers":12,"width":768,"head_width":64,"patch_size":16,"pool_type":"tok","act_kwargs":{"approximate":"tanh"},"norm_kwargs":{"eps":1e-6},"final_ln_after_pool":true}},"preprocess_cfg":{"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"interpolation":"bicubic","resize_mode":"shortest"}}""")]
    [InlineData("open_clip_config.json", """{"model_cfg":{"vision_cfg":{"timm_model_name":"vit_base_patch16_224","timm_pool":"avg","image_size":224}}}""")]
    [InlineData("preprocessor_config.json", """{"image_processor_type":"ViTImageProcessor","do_resize":true,"do_rescale":true,"do_normalize":true,"do_center_crop":true,"rescale_factor":0.00392156862745098,"resample":3,"size":{"shortest_edge":256},"crop_size":{"height":224,"width":224},"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}""")]
    [InlineData("processor_config.json", """{"image_processor":{"size":{"height":224,"width":224},"resample":2,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}}""")]
    public void A_published_config_is_used_or_refused_by_name(string name, string json)
    {
        string path = Path.Combine(_folder.Root, name);
        File.WriteAllText(path, json);
        Assert.NotEqual(new PublishedConfig(), PublishedConfig.NextTo(Path.Combine(_folder.Root, "model.safetensors")));
        foreach (string changed in Changed(json))
        {
            File.WriteAllText(path, changed);
            UsedOrRefused<CheckpointFormatException>(changed, () => PublishedConfig.NextTo(Path.Combine(_folder.Root, "model.safetensors")), path);
        }
    }

    [Fact]
    public void The_config_written_here_is_used_or_refused()
    {
        ViTArchitecture architecture = new() { Depth = 2, EmbedDim = 16, Heads = 4, HeadDim = 4, MlpDim = 24, PatchSize = 4, ImageSize = 16 };
        string json = new ModelConfig
        {
            Architecture = architecture, Heads = [4, 3], Neurons = [24, 20], Preprocessing = Preprocessing.Named("clip", 16),
            Provenance = new Dictionary<string, string> { ["source"] = "a file" },
        }.ToJson();
        Assert.Equal(architecture, ModelConfig.FromJson(json).Architecture);
        foreach (string changed in Changed(json))
        {
            UsedOrRefused<FormatException>(changed, () => ModelConfig.FromJson(changed), "");
        }
    }

    [Fact]
    public void Widths_of_every_axis_and_rotary_pairs_are_used_or_refused()
    {
        ViTArchitecture architecture = TinyModels.Families["dinov3"].Validated();
        SubnetWidths widths = TinyModels.EveryAxis(architecture);
        string json = TinyModels.Config(architecture, widths).ToJson();
        Assert.Equal(widths, ModelConfig.FromJson(json).Widths());
        foreach (string changed in Changed(json))
        {
            UsedOrRefused<FormatException>(changed, () => ModelConfig.FromJson(changed), "");
        }

        string pairs = "\"RotaryPairs\":[[1,0,3],[2],[3,2]]";
        foreach ((string other, string fault) in new[]
        {
            ("\"RotaryPairs\":[[1,0,3],[2],[3,2],[0]]", "expected those of 3 blocks, found 4"),
            ("\"RotaryPairs\":[[1,0],[2],[3,2]]", "block 0: expected at least 3 different rotary pairs of 0 to 3, found [1, 0]"),
            ("\"RotaryPairs\":[[1,0,1],[2],[3,2]]", "block 0: expected at least 3 different rotary pairs"),
            ("\"RotaryPairs\":[[1,0,3],[4],[3,2]]", "block 1: expected at least 1 different rotary pairs of 0 to 3, found [4]"),
            ("\"RotaryPairs\":[[1,0,3],null,[3,2]]", "block 1: expected at least 1"),
            ("\"RotaryPairs\":null", "block 0: expected the rotary pairs of its 6 query and key dimensions, found none"),
        })
        {
            string changed = json.Replace(pairs, other, StringComparison.Ordinal);
            Assert.Contains(fault, Assert.Throws<FormatException>(() => ModelConfig.FromJson(changed)).Message, StringComparison.Ordinal);
        }
    }

    private static void UsedOrRefused<T>(string config, Action read, string start)
        where T : Exception
    {
        try
        {
            read();
        }
        catch (Exception exception)
        {
            Assert.True(exception is T && exception.Message.StartsWith(start, StringComparison.Ordinal) && !exception.Message.Contains('\n'), $"{config}: {exception}");
        }
    }

    /// <summary>The config once for each member and each other value of it, and once without it.</summary>
    private static IEnumerable<string> Changed(string json)
    {
        foreach (object[] path in Members(JsonNode.Parse(json), []))
        {
            foreach (JsonNode? other in Others)
            {
                yield return Edited(json, path, (parent, key) => Set(parent, key, other?.DeepClone()));
            }

            yield return Edited(json, path, (parent, key) => (parent as JsonObject)?.Remove((string)key));
        }
    }

    private static string Edited(string json, object[] path, Action<JsonNode, object> edit)
    {
        JsonNode root = JsonNode.Parse(json)!;
        edit(path[..^1].Aggregate(root, (node, key) => key is int index ? node[index]! : node[(string)key]!), path[^1]);
        return root.ToJsonString();
    }

    private static void Set(JsonNode parent, object key, JsonNode? value)
    {
        if (key is int index)
        {
            parent[index] = value;
        }
        else
        {
            parent[(string)key] = value;
        }
    }

    private static IEnumerable<object[]> Members(JsonNode? node, object[] path) => node switch
    {
        JsonObject json => json.SelectMany(member => Members(member.Value, [.. path, member.Key]).Prepend([.. path, member.Key])),
        JsonArray array => array.SelectMany((item, index) => Members(item, [.. path, index]).Prepend([.. path, index])),
        _ => [],
    };
}
