using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

// golden/real_models.json: names and shapes of timm 1.0.22's own models (block 0 and all that is outside of blocks), parameters, number of keys.
public sealed class RealModelTests
{
    public static TheoryData<string> Names =>
        ["dino_vits16", "dino_vitb16", "augreg-s", "augreg-b", "augreg-l", "deit-b", "deit3-s", "deit3-b", "deit3-l", "deit3-h", "siglip-b", "siglip-gopt"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_real_model_is_understood_from_its_names_and_shapes_key_by_key(string name)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "real_models.json")));
        JsonElement model = json.RootElement.GetProperty("timm_cfgs").GetProperty(name);
        TensorEntry[] keys = AllKeys(model);
        using ShapesOnly file = new(keys);
        ModelDescription description = ModelFile.Describe(file, heads: name is "dino_vits16" or "augreg-s" ? 6 : null);
        ViTArchitecture a = description.Architecture;

        ParameterTable table = ParameterTable.For(a, description.Widths);
        Assert.Equal(keys.Select(key => key.ToString()).Order(StringComparer.Ordinal), table.Select(row => new TensorEntry(row.Name, TensorType.Float32, row.Shape).ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(model.GetProperty("params").GetInt64(), CostModel.Parameters(a, description.Widths));
        Assert.Equal(model.GetProperty("num_classes").GetInt32(), a.Classes);
        Assert.Equal(model.GetProperty("input_size")[1].GetInt32(), a.ImageSize);
        Assert.Equal(name == "siglip-gopt" ? 96 : name == "deit3-h" ? 80 : 64, a.HeadDim);
        Assert.Equal(name == "siglip-gopt" ? Activation.GeluTanh : Activation.GeluErf, a.Activation);
        Assert.Equal(1e-6, a.LayerNormEpsilon);
        Assert.Equal(a.FullWidths, description.Widths);
    }

    /// <summary>The sample has one block; the number of keys says how many there are.</summary>
    private static TensorEntry[] AllKeys(JsonElement model)
    {
        Dictionary<string, long[]> sample = model.GetProperty("state_shapes_sample").EnumerateObject()
            .ToDictionary(key => key.Name, key => key.Value.EnumerateArray().Select(size => size.GetInt64()).ToArray());
        int perBlock = sample.Keys.Count(IsBlock), all = model.GetProperty("n_state_keys").GetInt32();
        int depth = (all - (sample.Count - perBlock)) / perBlock;
        TensorEntry[] keys =
        [
            .. sample.Where(key => !IsBlock(key.Key)).Select(key => new TensorEntry(key.Key, TensorType.Float32, key.Value)),
            .. sample.Where(key => IsBlock(key.Key)).SelectMany(key => Enumerable.Range(0, depth).Select(block =>
                new TensorEntry(key.Key.Replace("blocks.0.", $"blocks.{block}.", StringComparison.Ordinal), TensorType.Float32, key.Value))),
        ];
        Assert.Equal(all, keys.Length);
        return keys;

        static bool IsBlock(string key) => key.StartsWith("blocks.0.", StringComparison.Ordinal);
    }
}
