using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>Something hostile: a damaged model, config or photo, a strange folder.</summary>
/// <param name="Kind">What was damaged.</param>
/// <param name="Files">The files; the first one is the one that is opened.</param>
/// <param name="Expected">
/// What every tensor must hold where the model opens, null for one that must not open; null where nothing is known about it.
/// </param>
internal sealed record FuzzInput(
    string Kind, IReadOnlyList<(string Name, byte[] Content)> Files, IReadOnlyDictionary<string, float[]?>? Expected)
{
    private const int MostChanges = 5;

    /// <summary>The model in every input.</summary>
    public static ViTArchitecture Architecture { get; } = new()
    {
        Depth = 2, EmbedDim = 8, Heads = 2, HeadDim = 4, MlpDim = 12, PatchSize = 2, ImageSize = 8, Classes = 5,
    };

    private static readonly string[] OtherValues =
    [
        "0", "-1", "1", "7", "1e999", "-0.5", "99999999999999999999", "null", "\"x\"", "[]", "[4, 4]", "[8, 2]", "{}", "true",
        "2147483648", "2147483647", "1000000",
        "\"model.safetensors\"", "\"../model.safetensors\"", "\"\"",
    ];

    private static readonly string[] Configs =
    [
        """
        config.json|{"model_type": "vit", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
        "hidden_act": "gelu", "image_size": 8, "patch_size": 2, "layer_norm_eps": 1e-06, "rope_theta": 100,
        "id2label": {"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}}
        """,
        """
        config.json|{"architecture": "vit_x", "num_features": 8, "global_pool": "token",
        "model_args": {"num_heads": 2, "depth": 2, "img_size": 8}, "pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5], "crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "center"}}
        """,
        """
        open_clip_config.json|{"model_cfg": {"embed_dim": 8,
        "vision_cfg": {"image_size": 8, "layers": 2, "width": 8, "head_width": 4, "patch_size": 2, "pool_type": "tok"}},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash", "interpolation": "bicubic"}}
        """,
        """
        preprocessor_config.json|{"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}, "crop_size": 8,
        "do_center_crop": true, "resample": 2, "rescale_factor": 0.00392156862745098, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5]}
        """,
        """model.safetensors.index.json|""" + WeightMap(),
    ];

    private static readonly byte[] Safetensors;

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

    /// <summary>The model as a PyTorch file.</summary>
    public static byte[] Torch { get; }

    /// <summary>The values of the model by name.</summary>
    public static Dictionary<string, float[]?> Values { get; } = [];

    private static string WeightMap()
    {
        string files = string.Join(", ", Shapes.Select(tensor => $"\"{tensor.Name}\": \"model.safetensors\""));
        return $$"""{"weight_map": { {{files}} } }""";
    }

    /// <summary>Names and shapes of the model's tensors.</summary>
    public static IEnumerable<(string Name, IReadOnlyList<long> Shape)> Shapes =>
        ParameterTable.For(Architecture, Architecture.FullWidths)
            .Select(parameter => (parameter.Name, (IReadOnlyList<long>)[.. parameter.Shape]));

    /// <summary>Links that stand beside the files: where, and to what.</summary>
    public IReadOnlyList<(string Name, string Target)> Links { get; init; } = [];

    /// <summary>What opens it.</summary>
    public FuzzTarget Target { get; init; }

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random) => random.NextInt(100) switch
    {
        < 12 => new("safetensors header", [("model.safetensors", Damaged(Safetensors, HeaderLength, random))], Values),
        < 24 => new("zip of PyTorch", [("model.pt", Damaged(Torch, Torch.Length, random))], Values),
        < 30 => new(
            "any file cut or changed",
            [("model.safetensors", Damaged(random.NextInt(2) == 0 ? Safetensors : Torch, Safetensors.Length, random))],
            Expected: null),
        < 50 => Config(random),
        < 77 => PickledModel.Create(random),
        < 87 => Pickle("pickle of instructions", PickleProgram.Instructions(random), isDeflated: false),
        < 91 => Pickle("pickle of repeated instructions", PickleProgram.Repeated(random), isDeflated: true),
        < 92 => StrangeNames.Create(random),
        < 94 => OwnFiles.Create(random),
        < 97 => DamagedPhoto.Create(random),
        < 98 => DamagedDataSet.Create(random),
        _ => StrangeFolder.Create(random),
    };

    private static FuzzInput Pickle(string kind, byte[] pickle, bool isDeflated) =>
        new(kind, [("model.pt", PickledModel.Archive(pickle, [("0", new byte[24])], isDeflated))], Expected: null);

    private static int HeaderLength => 8 + (int)BitConverter.ToUInt64(Safetensors);

    private static FuzzInput Config(SeededRandom random)
    {
        string[] config = Configs[random.NextInt(Configs.Length)].Split('|', 2);
        byte[] content = random.NextInt(3) == 0
            ? Damaged(Encoding.UTF8.GetBytes(config[1]), config[1].Length, random)
            : Encoding.UTF8.GetBytes(WithOtherValue(config[1], random));
        (string, byte[])[] files = [("model.safetensors", Safetensors), (config[0], content)];
        bool isIndex = config[0].EndsWith(".index.json", StringComparison.Ordinal);
        return new FuzzInput(config[0], isIndex ? [.. files.Reverse()] : files, Values);
    }

    /// <summary>One of the values after a colon replaced by another.</summary>
    public static string WithOtherValue(string json, SeededRandom random)
    {
        int[] colons = [.. json.Index().Where(character => character.Item == ':').Select(character => character.Index)];
        int begin = colons[random.NextInt(colons.Length)] + 1, end = begin;
        for (int depth = 0; end < json.Length && (depth > 0 || json[end] is not (',' or '}')); end++)
        {
            depth += json[end] is '[' or '{' ? 1 : json[end] is ']' or '}' ? -1 : 0;
        }

        return json[..begin] + OtherValues[random.NextInt(OtherValues.Length)] + json[end..];
    }

    /// <summary>A few bytes among the first ones changed, to others of chance or to such as formats are made of.</summary>
    public static byte[] Damaged(byte[] whole, int changeable, SeededRandom random)
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

    /// <summary>What a writer writes.</summary>
    public static byte[] Bytes(Action<string> write)
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

/// <summary>What opens an input.</summary>
internal enum FuzzTarget
{
    /// <summary>The reader of models, with the configs beside it.</summary>
    Model,

    /// <summary>The decoder of images.</summary>
    Photo,

    /// <summary>The walk of a folder of photos.</summary>
    Folder,

    /// <summary>The readers of archives and data sets, with their labels and some images.</summary>
    DataSet,

    /// <summary>The reader of scores, with all second moments.</summary>
    Scores,

    /// <summary>The reader of latency tables, with a prediction.</summary>
    LatencyTable,
}
