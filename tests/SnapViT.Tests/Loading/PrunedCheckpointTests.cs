using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

// The reference's pruned-model.pt is the model's plain state dict with smaller shapes: golden checkpoints with the rows and columns of prune.json
// cut out by hand, classifiers wrapped as 'linear' and SigLIP's blocks twice, as its modules are. Features: golden prune.safetensors.
public sealed class PrunedCheckpointTests : IDisposable
{
    private const int Width = 48;

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-pruned-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void A_pruned_model_of_the_reference_is_loaded_and_gives_its_features(string family)
    {
        using Golden expected = Golden.Open(family, "prune.safetensors");
        using Golden io = Golden.Open(family, "io.safetensors");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", family, "prune.json")));
        foreach (JsonElement pair in json.RootElement.GetProperty("ratios").EnumerateArray())
        {
            JsonElement kept = pair.GetProperty("prunable");
            string path = Prune(family, kept);
            using LoadedModel loaded = ModelFile.Load(path, Golden.Hints(family));
            using var scope = NewDisposeScope();
            string key = FormattableString.Invariant($"{pair.GetProperty("mlp_ratio").GetDouble():0.0#}-{pair.GetProperty("head_ratio").GetDouble():0.0}");
            Assert.True(loaded.IsPruned);
            Assert.Equal(Integers(kept.GetProperty("mlp_keep_counts")), loaded.Model.Widths.Select(block => block[Axis.Neurons]));
            Assert.Equal(Integers(kept.GetProperty("head_keep_counts")), loaded.Model.Widths.Select(block => block[Axis.Heads]));
            loaded.Model.Embed(io.Float("images")).ShouldBeWithin(1e-5, expected.Float($"prunable.features.{key}"));
        }
    }

    private string Prune(string family, JsonElement kept)
    {
        using SafetensorsReader model = SafetensorsReader.Open(SharedFolder.Require("golden", family, "model.safetensors"));
        int headDim = Width / Golden.Hints(family).Heads!.Value;
        List<TensorToWrite> pruned = [];
        foreach (TensorEntry entry in model.Tensors.Values)
        {
            float[] values = model.ReadFloats(entry.Name);
            string[] parts = entry.Name.Replace("trunk.", "", StringComparison.Ordinal).Split('.', 3);
            if (parts[0] != "blocks")
            {
                pruned.Add(TensorToWrite.From(Wrapped(entry.Name), values, entry.Shape));
                continue;
            }

            int block = int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
            int[] neurons = Integers(kept.GetProperty("mlp_kept")[block]), heads = Integers(kept.GetProperty("head_kept")[block]);
            int[] channels = [.. heads.SelectMany(head => Enumerable.Range(head * headDim, headDim))];
            TensorToWrite tensor = parts[2] switch
            {
                "attn.qkv.weight" or "attn.qkv.bias" or "attn.qkv.bias_mask" => Rows(entry, values, [.. Enumerable.Range(0, 3).SelectMany(part => channels.Select(channel => (part * Width) + channel))]),
                "attn.proj.weight" => Columns(entry, values, channels),
                "mlp.fc1.weight" or "mlp.fc1.bias" or "mlp.w1.weight" or "mlp.w1.bias" or "mlp.w2.weight" or "mlp.w2.bias" => Rows(entry, values, neurons),
                "mlp.fc2.weight" or "mlp.w3.weight" => Columns(entry, values, neurons),
                _ => TensorToWrite.From(entry.Name, values, entry.Shape),
            };
            pruned.Add(tensor);
            if (entry.Name.StartsWith("trunk.", StringComparison.Ordinal))
            {
                pruned.Add(new TensorToWrite(entry.Name["trunk.".Length..], tensor.Entry.Type, tensor.Entry.Shape, tensor.Write));
            }
        }

        string path = Path.Combine(_folder, "pruned-model.pt");
        TorchArchiveWriter.WriteStateDict(path, pruned);
        return path;
    }

    private static string Wrapped(string name) => name.Replace("head.", "head.linear.", StringComparison.Ordinal).Replace("head_dist.", "head_dist.linear.", StringComparison.Ordinal);

    private static TensorToWrite Rows(TensorEntry entry, float[] values, int[] rows)
    {
        int columns = entry.Shape.Count == 1 ? 1 : (int)entry.Shape[1];
        return TensorToWrite.From(entry.Name, rows.SelectMany(row => values.Skip(row * columns).Take(columns)).ToArray(), [rows.Length, .. entry.Shape.Skip(1)]);
    }

    private static TensorToWrite Columns(TensorEntry entry, float[] values, int[] columns)
    {
        int all = (int)entry.Shape[1];
        return TensorToWrite.From(entry.Name, Enumerable.Range(0, (int)entry.Shape[0]).SelectMany(row => columns.Select(column => values[(row * all) + column])).ToArray(), entry.Shape[0], columns.Length);
    }

    private static int[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];
}
