using System.Text.Json.Nodes;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Planning;

public sealed class LatencyTableTests : IDisposable
{
    private static readonly ViTArchitecture Small = new() { Depth = 3, EmbedDim = 16, Heads = 5, HeadDim = 4, MlpDim = 40, PatchSize = 8, ImageSize = 32, Mlp = MlpKind.SwiGlu };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_prediction_is_the_fixed_time_and_the_sum_over_blocks()
    {
        LatencyTable table = Latencies.Linear(Small);
        Assert.Equal(1000, table.Predict(SubnetWidths.Uniform(3, default).In(Small)));
        Assert.Equal(1000 + (3 * (50 + 80)), table.Predict(Small.FullWidths));
        Assert.Equal(1000 + 10 + (30 + 2) + (50 + 80), table.Predict(Widths.Of((1, 0), (3, 1), (5, 40)).In(Small)));
        Assert.Throws<ArgumentException>(() => table.Predict(SubnetWidths.Uniform(2, default).In(Small)));
    }

    [Fact]
    public void A_table_comes_back_from_its_file_as_it_was()
    {
        LatencyTable table = Latencies.Of(Small, 12.5, new LatencyCurve([(0, 0.1), (2, 7), (5, 1e9 / 3)]), new LatencyCurve([(0, 0), (40, 0)]));
        LatencyTableFile.Save(Path("table.json"), table);
        LatencyTable back = LatencyTableFile.Load(Path("table.json"));
        Assert.Equal((table.Conditions, table.FixedNanoseconds), (back.Conditions, back.FixedNanoseconds));
        Assert.All(AxisTable.Rows, row => Assert.Equal(table[row.Axis].Points, back[row.Axis].Points));
        Assert.Null(back.Conditions.DifferenceTo(table.Conditions));
    }

    [Fact]
    public void Other_conditions_are_told_by_the_first_difference()
    {
        LatencyConditions here = Latencies.Conditions(Small);
        Assert.Equal("batch 8, not 1", (here with { Batch = 8, Threads = 3 }).DifferenceTo(here));
        Assert.Equal("precision bf16, not fp32", (here with { Precision = "bf16" }).DifferenceTo(here));
        Assert.Equal("device cuda, not cpu", (here with { Device = "cuda" }).DifferenceTo(here));
        Assert.Equal("threads 1, not 2", (here with { Threads = 1 }).DifferenceTo(here));
        Assert.Equal("machine another, not a processor", (here with { Machine = "another" }).DifferenceTo(here));
        Assert.Equal("runtime torch 3, not torch 2", (here with { Runtime = "torch 3" }).DifferenceTo(here));
        Assert.Equal("another architecture", (here with { Architecture = Small with { Depth = 4 } }).DifferenceTo(here));
    }

    [Theory]
    [InlineData("no table", "no valid latency table")]
    [InlineData("null", "found null")]
    [InlineData("{}", "no valid latency table")]
    [InlineData("\"snapvit_latency\": 3>\"snapvit_latency\": 1", "expected a latency table of version 3, found 1")]
    [InlineData("\"40\": 80>\"39\": 80", "expected a curve up to 40 neurons, found 39")]
    [InlineData("\"40\": 80>\"40\": -80", "expected growing widths from 0 on")]
    [InlineData("\"depth\": 3>\"depth\": 0", "Depth must be positive")]
    [InlineData("\"fixed_nanoseconds\": 1000>\"fixed_nanoseconds\": -1", "expected fixed times of 0 or more")]
    [InlineData("\"batch\"> \"bunch\"", "no valid latency table")]
    [InlineData("\"a processor\">null", "no valid latency table: $.machine: expected a value, found null")]
    public void A_file_that_is_no_table_is_refused_by_name(string change, string fault)
    {
        LatencyTableFile.Save(Path("table.json"), Latencies.Linear(Small));
        string[] edit = change.Split('>');
        File.WriteAllText(Path("table.json"), edit.Length == 2 ? File.ReadAllText(Path("table.json")).Replace(edit[0], edit[1], StringComparison.Ordinal) : change);
        CheckpointFormatException refusal = Assert.Throws<CheckpointFormatException>(() => LatencyTableFile.Load(Path("table.json")));
        Assert.StartsWith(Path("table.json"), refusal.Message, StringComparison.Ordinal);
        Assert.Contains(fault, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_member_that_is_null_or_of_another_type_is_refused_by_name()
    {
        LatencyTableFile.Save(Path("table.json"), Latencies.Linear(Small));
        string whole = File.ReadAllText(Path("table.json"));

        // What follows from the other facts is written for readers of the file and not read back.
        string[] members = [.. Members(JsonNode.Parse(whole)!).Where(member => !member.Contains("full_widths", StringComparison.Ordinal))];
        Assert.Contains("conditions.machine", members);
        Assert.Contains("conditions.architecture.depth", members);
        foreach (string member in members)
        {
            foreach (JsonNode? value in new JsonNode?[] { null, new JsonArray(), new JsonObject { ["a"] = null } })
            {
                JsonNode changed = JsonNode.Parse(whole)!;
                string[] path = member.Split('.');
                path[..^1].Aggregate(changed, (node, key) => node[key]!)[path[^1]] = value;
                File.WriteAllText(Path("table.json"), changed.ToJsonString());
                Exception? refusal = Record.Exception(() => LatencyTableFile.Load(Path("table.json")));
                Assert.True(
                    refusal is CheckpointFormatException && refusal.Message.StartsWith(Path("table.json"), StringComparison.Ordinal),
                    $"{member} as {value?.ToJsonString() ?? "null"}: {refusal?.ToString() ?? "no error"}");
            }
        }
    }

    private static IEnumerable<string> Members(JsonNode node) => node is not JsonObject json ? [] : json.SelectMany(
        member => member.Value is null ? [] : Members(member.Value).Select(inner => $"{member.Key}.{inner}").Prepend(member.Key));

    private string Path(string name) => _folder.File(name);
}
