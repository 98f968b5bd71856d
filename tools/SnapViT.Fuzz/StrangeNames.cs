using SnapViT.Core.Checkpoints;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>A whole model among very many tensors whose names look like those of models.</summary>
internal static class StrangeNames
{
    private const int MostTensors = 1 << 15;

    private static readonly string[] Words =
    [
        "model", "module", "blocks", "0", "1", "attn", "qkv", "proj", "mlp", "fc1", "weight", "bias", "norm1", "cls_token", "pos_embed",
        "patch_embed", "state_dict", "ema", "_orig_mod", "encoder", "layer", "embeddings", "vision_model", "visual", "transformer",
        "resblocks", "optimizer", "exp_avg", "head", "params", "classifier", "register_tokens", "ls1", "gamma", "dino_head",
    ];

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random)
    {
        OrderedDictionary<string, TensorToWrite> tensors = [];
        string root = random.NextInt(2) == 0 ? "" : Name(random, 2) + ".";
        foreach ((string name, IReadOnlyList<long> shape) in FuzzInput.Shapes)
        {
            tensors[root + name] = TensorToWrite.From(root + name, FuzzInput.Values[name]!, shape);
        }

        int most = 1 << random.NextInt(16), words = 1 + random.NextInt(12);
        (string Name, IReadOnlyList<long> Shape)[] own = [.. FuzzInput.Shapes.Where(tensor => random.NextInt(6) == 0)];
        while (tensors.Count < Math.Min(most, MostTensors))
        {
            string name = Name(random, words);
            if (own.Length > 0 && random.NextInt(2) == 0)
            {
                // The beginning of a model again and again.
                name = $"{name}{tensors.Count}.{own[random.NextInt(own.Length)].Name}";
            }

            tensors.TryAdd(name, TensorToWrite.From(name, new float[] { tensors.Count }, random.NextInt(2) == 0 ? [1] : [1, 1]));
            most--;
        }

        bool isTorch = random.NextInt(2) == 0;
        return new FuzzInput(
            "strange names",
            [
                isTorch ? ("model.pt", FuzzInput.Bytes(path => TorchArchiveWriter.WriteStateDict(path, tensors.Values)))
                    : ("model.safetensors", FuzzInput.Bytes(path => SafetensorsWriter.Write(path, tensors.Values))),
            ],
            FuzzInput.Values);
    }

    private static string Name(SeededRandom random, int most) =>
        string.Join('.', Enumerable.Range(0, 1 + random.NextInt(most)).Select(_ => Words[random.NextInt(Words.Length)]));
}
