using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Data;
using SnapViT.Core.Checkpoints;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tests;
using static TorchSharp.torch;

namespace SnapViT.Cli.Tests;

/// <summary><c>snapvit embed</c>: the same features in every format, of the model and of a sub-network.</summary>
[LeakCheck]
public sealed class EmbedCommandTests : IDisposable
{
    private readonly Workspace _work = new Workspace().WithScores();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Every_format_holds_the_features_of_the_images_in_their_order()
    {
        float[] expected = Expected(out string[] names);
        JsonElement run = await CommandRun.Json($"embed {_work.ModelPath} --images {_work.In("photos")} --precision fp32 --out {_work.In("f.safetensors")}");
        Assert.Equal([names.Length, expected.Length / names.Length], run.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32()));
        using (ITensorArchive archive = CheckpointArchive.Open(_work.In("f.safetensors")))
        {
            Assert.Equal(names, JsonSerializer.Deserialize<string[]>(archive.Metadata["names"]));
            Same(expected, archive.ReadFloats("features"));
        }

        await CommandRun.Json($"embed {_work.ModelPath} --images {_work.In("photos")} --precision fp32 --with-labels --out {_work.In("f.npy")}");
        byte[] npy = File.ReadAllBytes(_work.In("f.npy"));
        Assert.Contains($"'shape': ({names.Length}, {expected.Length / names.Length})", Encoding.ASCII.GetString(npy, 0, 128), StringComparison.Ordinal);
        Same(expected, Floats(npy[^(expected.Length * 4)..]));
        Assert.Equal(names.Select(name => $"{name}\t{name.Split('/')[0]}"), File.ReadAllLines(_work.In("f.npy.names.txt")));
        await CommandRun.Json($"embed {_work.ModelPath} --images {_work.In("photos")} --precision fp32 --with-labels --out {_work.In("f.parquet")}");
        await using ParquetReader reader = await ParquetReader.CreateAsync(_work.In("f.parquet"), cancellationToken: TestContext.Current.CancellationToken);
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(0);
        using RawColumnData values = await group.ReadRawColumnDataBaseAsync(reader.Schema.GetDataFields()[2], TestContext.Current.CancellationToken);
        Same(expected, ((RawColumnData<float>)values).Values.ToArray());
        Assert.Equal(names.Length, group.RowCount);
    }

    [Fact]
    public async Task A_sub_network_and_patch_tokens_have_features_of_their_own()
    {
        string common = $"embed {_work.ModelPath} --images {_work.In("photos")} --precision fp32 --scores {_work.In("scores.safetensors")} --flops 0.7";
        JsonElement small = await CommandRun.Json($"{common} --out {_work.In("small.npy")}");
        Assert.Equal("flops=0.7", small.GetProperty("budget").GetString());
        Assert.NotEqual(Expected(out _), Floats(File.ReadAllBytes(_work.In("small.npy"))[128..]));
        JsonElement tokens = await CommandRun.Json($"embed {_work.ModelPath} --images {_work.In("photos")} --patch-tokens --out {_work.In("t.npy")}");
        Assert.Equal(3, tokens.GetProperty("shape").GetArrayLength());
    }

    [Theory]
    [InlineData("--flops 0.5 --out {0}/f.npy", "--flops: expected --scores FILE with it, found none")]
    [InlineData("--batch 0 --out {0}/f.npy", "--batch: expected at least 1, found 0")]
    [InlineData("--out {0}/none/f.npy", "expected a folder")]
    [InlineData("--out {0}/taken.npy", "there is such a file already")]
    [InlineData("--scores {0}/scores.safetensors --out {0}/f.npy", "budget: expected one of --flops")]
    public async Task What_is_wrong_is_told(string options, string fault)
    {
        _work.Put("taken.npy.names.txt", "x");
        CommandRun run = await CommandRun.Of($"embed {_work.ModelPath} --images {_work.In("photos")} {options.Replace("{0}", _work.Root, StringComparison.Ordinal)}");
        Assert.Equal(1, run.Code);
        Assert.Contains(fault, run.Error, StringComparison.Ordinal);
    }

    /// <summary>
    /// Up to float32's last digits: threads divide a batch, products of other sizes round otherwise, and the number of threads belongs to
    /// the process, so that a test that runs at the same time changes it.
    /// </summary>
    private static void Same(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        float largest = expected.Max(Math.Abs);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.Second, pair.First - (1e-6f * largest), pair.First + (1e-6f * largest)));
    }

    private float[] Expected(out string[] names)
    {
        using LoadedModel model = ModelFile.Load(_work.ModelPath);
        Preprocessing preprocessing = model.PreprocessingOrReference;
        ImageSet images = ImageSet.FromFolder(_work.In("photos"));
        names = [.. images.Entries.Select(entry => entry.Name)];
        float[] values = [.. images.Entries.SelectMany(entry => preprocessing.Apply(entry.Decode()))];
        using Tensor input = tensor(values, [images.Count, 3, preprocessing.Side, preprocessing.Side]);
        using Tensor features = model.Model.Embed(input);
        return features.data<float>().ToArray();
    }

    private static float[] Floats(byte[] bytes) =>
        [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, i * 4))];
}
