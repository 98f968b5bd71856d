using System.Globalization;
using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>A damaged model: files with something changed.</summary>
/// <param name="Kind">What was damaged.</param>
/// <param name="Files">The files; the first one is the model.</param>
/// <param name="HasTrueTensors">Whether the values in the file are still those that were written, so that what opens must have them.</param>
internal sealed record FuzzInput(string Kind, IReadOnlyList<(string Name, byte[] Content)> Files, bool HasTrueTensors)
{
    private const int MostChanges = 5;

    /// <summary>The model in every input.</summary>
    public static ViTArchitecture Architecture { get; } = new()
    {
        Depth = 2, EmbedDim = 8, Heads = 2, HeadDim = 4, MlpDim = 12, PatchSize = 2, ImageSize = 8, Classes = 5,
    };

    private static readonly string[] Values3 = ["0", "-1", "1", "7", "1e999", "-0.5", "99999999999999999999", "null", "\"x\"", "[]", "[4, 4]", "[8, 2]", "{}", "true", "2147483648"];

    private static readonly string[] Configs =
    [
        """config.json|{"model_type": "vit", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "hidden_act": "gelu", "image_size": 8, "patch_size": 2, "layer_norm_eps": 1e-06, "rope_theta": 100, "id2label": {"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}}""",
        """config.json|{"architecture": "vit_x", "num_features": 8, "global_pool": "token", "model_args": {"num_heads": 2, "depth": 2, "img_size": 8}, "pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "center"}}""",
        """open_clip_config.json|{"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 8, "layers": 2, "width": 8, "head_width": 4, "patch_size": 2, "pool_type": "tok"}}, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash", "interpolation": "bicubic"}}""",
        """preprocessor_config.json|{"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}, "crop_size": 8, "do_center_crop": true, "resample": 2, "rescale_factor": 0.00392156862745098, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""",
        """model.safetensors.index.json|{"weight_map": {"cls_token": "model.safetensors"}}""",
    ];

    private static readonly byte[] Safetensors, Torch;

    static FuzzInput()
    {
        int value = 0;
        TensorToWrite[] tensors = [.. ParameterTable.For(Architecture, Architecture.FullWidths).Select(parameter =>
        {
            float[] values = [.. Enumerable.Range(0, (int)parameter.Elements).Select(_ => (float)++value)];
            Values.Add(parameter.Name, values);
            return TensorToWrite.From(parameter.Name, values, parameter.Shape);
        })];
        Safetensors = Bytes(path => SafetensorsWriter.Write(path, tensors));
        Torch = Bytes(path => TorchArchiveWriter.WriteStateDict(path, tensors));
    }

    /// <summary>The values of the model by name.</summary>
    public static Dictionary<string, float[]> Values { get; } = [];

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random) => random.NextInt(4) switch
    {
        0 => new("safetensors header", [("model.safetensors", Damaged(Safetensors, HeaderLength, random))], HasTrueTensors: true),
        1 => new("zip of PyTorch", [("model.pt", Damaged(Torch, Torch.Length, random))], HasTrueTensors: true),
        2 => new("any file cut or changed", [("model.safetensors", Damaged(random.NextInt(2) == 0 ? Safetensors : Torch, Safetensors.Length, random))], HasTrueTensors: false),
        _ => Config(random),
    };

    private static int HeaderLength => 8 + (int)BitConverter.ToUInt64(Safetensors);

    private static FuzzInput Config(SeededRandom random)
    {
        string[] config = Configs[random.NextInt(Configs.Length)].Split('|', 2);
        byte[] content = random.NextInt(3) == 0 ? Damaged(Encoding.UTF8.GetBytes(config[1]), config[1].Length, random) : Encoding.UTF8.GetBytes(WithOtherValue(config[1], random));
        return new FuzzInput(config[0], [("model.safetensors", Safetensors), (config[0], content)], HasTrueTensors: true);
    }

    /// <summary>One of the values after a colon replaced by another.</summary>
    private static string WithOtherValue(string json, SeededRandom random)
    {
        int[] colons = [.. json.Index().Where(character => character.Item == ':').Select(character => character.Index)];
        int begin = colons[random.NextInt(colons.Length)] + 1, end = begin;
        for (int depth = 0; end < json.Length && (depth > 0 || json[end] is not (',' or '}')); end++)
        {
            depth += json[end] is '[' or '{' ? 1 : json[end] is ']' or '}' ? -1 : 0;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{json[..begin]}{Values3[random.NextInt(Values3.Length)]}{json[end..]}");
    }

    private static byte[] Damaged(byte[] whole, int changeable, SeededRandom random)
    {
        List<byte> bytes = [.. whole];
        for (int i = 1 + random.NextInt(MostChanges); i > 0; i--)
        {
            int at = random.NextInt(Math.Min(changeable, bytes.Count));
            switch (random.NextInt(4))
            {
                case 0: bytes[at] = (byte)random.NextInt(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.NextInt(8)); break;
                case 2: bytes[at] = bytes[random.NextInt(bytes.Count)]; break;
                default: bytes[at] = (byte)"09[]{}\",.:-a_"[random.NextInt(13)]; break;
            }
        }

        return [.. bytes];
    }

    private static byte[] Bytes(Action<string> write)
    {
        string path = Path.GetTempFileName();
        try
        {
            write(path);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
