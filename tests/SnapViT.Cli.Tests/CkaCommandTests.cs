using System.Text.Json;
using SnapViT.Core.Checkpoints;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

[LeakCheck]
public sealed class CkaCommandTests : IDisposable
{
    private readonly Workspace _work = new();

    private string Line => $"cka {_work.ModelPath} --images {_work.Photos} --out {_work.In("cka.safetensors")} {Workspace.Fixed}";

    private string Search => $"build {_work.ModelPath} --images {_work.Photos} --out {_work.Out} --preset reference --evaluations 3 --force {Workspace.Fixed}";

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task The_matrices_and_the_map_are_written_and_a_search_starts_from_them()
    {
        JsonElement json = await CommandRun.Json($"{Line} --map {_work.In("cka.svg")}");
        long parts = SmallModels.Vit.Depth * (1 + SmallModels.Vit.Heads);
        Assert.Equal(parts, json.GetProperty("parts").GetInt64());
        using (SafetensorsReader file = SafetensorsReader.Open(_work.In("cka.safetensors")))
        {
            Assert.All(["cka", "correlation"], name => Assert.Equal([parts, parts], file.Tensors[name].Shape));
        }

        string svg = File.ReadAllText(_work.In("cka.svg"));
        Assert.Equal("svg", System.Xml.Linq.XDocument.Parse(svg).Root!.Name.LocalName);
        Assert.DoesNotContain("http", svg.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);

        JsonElement plain = await CommandRun.Json(Search), tied = await CommandRun.Json($"{Search} --initial-covariance {_work.In("cka.safetensors")}");
        Assert.False(plain.GetProperty("provenance").TryGetProperty("initial_covariance", out _));
        Assert.StartsWith("sha256 ", tied.GetProperty("provenance").GetProperty("initial_covariance").GetString(), StringComparison.Ordinal);
        Assert.Equal(plain.GetProperty("fitness_c0").GetDouble(), tied.GetProperty("fitness_c0").GetDouble());
        Assert.NotEqual(plain.GetProperty("fitness_history")[1].GetDouble(), tied.GetProperty("fitness_history")[1].GetDouble());
    }

    [Fact]
    public async Task Every_option_of_the_search_is_in_the_provenance_and_the_winner_is_picked_on_held_out_photos()
    {
        JsonElement json = await CommandRun.Json(
            $"{Search} --loss both --pca-components 5 --search-ratios 0.2:0,0.5:0.2 --population 3 --search-start 1.5:0.5 --spread 0.5 --patience 3 --held-out 0.25");
        JsonElement provenance = json.GetProperty("provenance");
        foreach ((string name, string value) in new[]
        {
            ("losses", "MeanSquaredError Cosine"), ("pca_components", "5"), ("ratios", "0.2:0 0.5:0.2"), ("population", "3"),
            ("search_start", "1.5:0.5"), ("spread", "0.5"), ("patience", "3"), ("held_out", "0.25"),
        })
        {
            Assert.Equal(value, provenance.GetProperty(name).GetString());
        }

        double[] held = [.. json.GetProperty("fitness_held_out").EnumerateArray().Select(value => value.GetDouble())];
        Assert.Equal(4, held.Length);
        Assert.Equal(held.Min(), double.Parse(provenance.GetProperty("fitness_held_out").GetString()!, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("--population 1", "population: expected at least 2, found 1")]
    [InlineData("--spread 0", "spread: expected a number above 0, found 0")]
    [InlineData("--held-out 0.95", "held-out share: expected 0 to 0.9, found 0.95")]
    [InlineData("--search-ratios 0.5", "--search-ratios: expected two removed shares such as 0.35:0.2, found '0.5'")]
    [InlineData("--search-start one", "--search-start: expected two factors such as 1.2:0.8, found 'one'")]
    [InlineData("--evaluations 0 --patience 3", "--patience: expected a search with it, --evaluations N; found none")]
    [InlineData("--initial-covariance {0}/model.safetensors", "expected a matrix 'correlation'")]
    public async Task Wrong_search_options_are_refused(string options, string message)
    {
        CommandRun run = await CommandRun.Of($"{Search.Replace("--evaluations 3", "", StringComparison.Ordinal)} {options.Replace("{0}", _work.Root, StringComparison.Ordinal)}");
        Assert.Equal(1, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("reference")]
    public async Task A_linear_probe_is_measured_beside_the_neighbours(string probe)
    {
        JsonElement row = (await CommandRun.Json(
            $"eval {_work.ModelPath} --train {_work.Photos} --test {_work.Photos} --probe {probe} {Workspace.Fixed}")).GetProperty("rows")[0];
        double[] interval = [.. row.GetProperty("probe_interval").EnumerateArray().Select(end => end.GetDouble())];
        Assert.InRange(row.GetProperty("probe").GetDouble(), interval[0], interval[1]);
        Assert.True(row.GetProperty("probe_learning_rate").GetDouble() > 0);
    }

    [Fact]
    public async Task A_probe_needs_training_images_and_classes_can_be_listed()
    {
        CommandRun without = await CommandRun.Of($"eval {_work.ModelPath} --test {_work.Photos} --probe linear");
        Assert.Equal(1, without.Code);
        Assert.Contains("--probe: expected --train DIR with it", without.Error, StringComparison.Ordinal);
        CommandRun classes = await CommandRun.Of($"eval {_work.ModelPath} --test {_work.Photos} --per-class {Workspace.Fixed}");
        Assert.Contains("class, top-1", classes.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sub_networks_are_measured_on_the_classes_of_pixels()
    {
        using Workspace scored = new Workspace().WithScores();
        for (int i = 0; i < 6; i++)
        {
            scored.Put($"voc/ImageSets/Segmentation/{(i < 4 ? "train" : "val")}.txt", i < 4 ? "0\n1\n2\n3\n" : "4\n5\n");
            Directory.CreateDirectory(scored.In("voc/JPEGImages"));
            Directory.CreateDirectory(scored.In("voc/SegmentationClass"));
            File.Copy(Directory.GetFiles(scored.Photos, "*.jpg", SearchOption.AllDirectories)[i], scored.In($"voc/JPEGImages/{i}.jpg"));
            byte[] classes = [.. Enumerable.Range(0, 20 * 16).Select(pixel => (byte)(pixel % 20 / 10))];
            File.WriteAllBytes(
                scored.In($"voc/SegmentationClass/{i}.png"), SnapViT.Tests.Data.PngBytes.Write(20, 16, SnapViT.Tests.Data.PngBytes.Gray, classes));
        }

        JsonElement json = await CommandRun.Json(
            $"segment {scored.ModelPath} --scores {scored.Scores} --voc {scored.In("voc")} --budgets 0.6 {Workspace.Fixed}");
        JsonElement row = Assert.Single(json.GetProperty("rows").EnumerateArray());
        Assert.Equal((2, 4, 2), (json.GetProperty("classes").GetInt32(), json.GetProperty("train_images").GetInt32(), json.GetProperty("test_images").GetInt32()));
        Assert.Equal(
            json.GetProperty("unpruned").GetProperty("miou").GetDouble() - row.GetProperty("miou").GetDouble(), row.GetProperty("miou_loss").GetDouble(), 12);
        Assert.Equal(2, row.GetProperty("miou_loss_interval").GetArrayLength());
        CommandRun wrong = await CommandRun.Of($"segment {scored.ModelPath} --voc {scored.Photos}");
        Assert.Equal(1, wrong.Code);
        Assert.Contains("expected a folder of PASCAL VOC", wrong.Error, StringComparison.Ordinal);
    }
}
