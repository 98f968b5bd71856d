using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;
using SnapViT.Core.Tests.Checkpoints;

namespace SnapViT.Core.Tests.Scores;

public sealed class ElasticScoresTests : IDisposable
{
    private static readonly ElasticScores Example = new(
        new ImportanceScores(new[,] { { 0.1, 1e-45, double.Epsilon }, { 1.0 / 3, 0, 1e300 } }, new[,] { { 0.7, 2 }, { 3, 4 } }),
        new ScoreCoefficients([1.2, -0.8, 1, 2, 3, -1.0 / 7], SubnetWidths.Uniform(2, Widths.Block(2, 3))),
        new KeepFloors(1.0 / 3, 0.1),
        new Dictionary<string, string> { [ElasticScores.ModelHash] = "abc", ["seed"] = "42", ["größe"] = "a \"b\"\n" });

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_saved_is_loaded_to_the_last_bit()
    {
        Example.Save(_folder.File("a"));
        ElasticScores loaded = ElasticScores.Load(_folder.File("a"));
        for (int block = 0; block < 2; block++)
        {
            Assert.Equal(Example.Local.Of(Axis.Neurons, block).ToArray(), loaded.Local.Of(Axis.Neurons, block).ToArray());
            Assert.Equal(Example.Local.Of(Axis.Heads, block).ToArray(), loaded.Local.Of(Axis.Heads, block).ToArray());
            Assert.Equal(Example.Scaled.Of(Axis.Heads, block).ToArray(), loaded.Scaled.Of(Axis.Heads, block).ToArray());
        }

        Assert.Equal(Example.Coefficients.Vector.ToArray(), loaded.Coefficients.Vector.ToArray());
        Assert.Equal(Example.Floors, loaded.Floors);
        Assert.Equal(Example.Provenance.Order(KeyOrder), loaded.Provenance.Order(KeyOrder));
    }

    [Fact]
    public void The_same_content_gives_the_same_bytes()
    {
        Example.Save(_folder.File("a"));
        (Example with { Provenance = new Dictionary<string, string>(Example.Provenance.Reverse()) }).Save(_folder.File("b"));
        ElasticScores.Load(_folder.File("a")).Save(_folder.File("c"));
        byte[] bytes = File.ReadAllBytes(_folder.File("a"));
        Assert.Equal(bytes, File.ReadAllBytes(_folder.File("b")));
        Assert.Equal(bytes, File.ReadAllBytes(_folder.File("c")));
    }

    [Fact]
    public void Digests_of_scored_images_are_kept_and_anything_else_in_their_place_is_refused()
    {
        (long, long)[] images = [(1234, long.MinValue), (5, -1)];
        (Example with { ScoredImages = images }).Save(_folder.File("a"));
        Assert.Equal(images, ElasticScores.Load(_folder.File("a")).ScoredImages);
        Example.Save(_folder.File("b"));
        Assert.Empty(ElasticScores.Load(_folder.File("b")).ScoredImages);
        using SafetensorsReader saved = SafetensorsReader.Open(_folder.File("a"));
        TensorToWrite[] others = [.. saved.Tensors.Keys.Where(name => name != "scored_images").Select(name =>
            TensorToWrite.From(name, saved.ReadDoubles(name), saved.Tensors[name].Shape))];
        foreach (TensorToWrite wrong in new[] { TensorToWrite.From("scored_images", new long[] { 1, 2, 3 }, 3), TensorToWrite.From("scored_images", new double[2], 1, 2) })
        {
            SafetensorsWriter.Write(_folder.File("c"), [.. others, wrong], saved.Metadata.ToDictionary());
            Assert.Contains("expected lengths and digests of images", Refused(_folder.File("c")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_scores_file_is_told_from_other_files()
    {
        Example.Save(_folder.File("scores"));
        SafetensorsWriter.Write(_folder.File("model"), [TensorToWrite.From("norm.weight", new double[] { 1 }, 1)]);
        using SafetensorsReader scores = SafetensorsReader.Open(_folder.File("scores")), model = SafetensorsReader.Open(_folder.File("model"));
        Assert.True(ElasticScores.IsScores(scores));
        Assert.False(ElasticScores.IsScores(model));
        Assert.EndsWith("expected a scores file made by 'snapvit build', found another safetensors file", Refused(_folder.File("model")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2", "expected a scores file of version 1, found '2'")]
    [InlineData("", "expected a scores file of version 1, found ''")]
    [InlineData("1\n2", "found '1\\u000a2'")]
    public void Another_version_is_refused(string version, string message) => Assert.EndsWith(message, Refused(Put(version: version)), StringComparison.Ordinal);

    [Theory]
    [InlineData(null, "metadata 'floor.neurons': expected a fraction, found 'nothing'")]
    [InlineData("many", "metadata 'floor.neurons': expected a fraction, found 'many'")]
    [InlineData("NaN", "expected fractions in 0..1, found NaN of neurons and 0.2 of heads")]
    [InlineData("1.5", "expected fractions in 0..1, found 1.5 of neurons and 0.2 of heads")]
    public void Floors_that_are_no_fractions_are_refused(string? floor, string message) => Assert.EndsWith(message, Refused(Put(floor: floor)), StringComparison.Ordinal);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(-1)]
    [InlineData(double.PositiveInfinity)]
    public void Impossible_numbers_in_the_file_are_refused(double wrong)
    {
        Assert.Contains("block 1, neuron 2", Refused(Put(neurons: TensorToWrite.From("mlp_scores", new double[] { 0, 0, 0, 0, 0, wrong }, 2, 3))), StringComparison.Ordinal);
        Assert.Contains("block 0, head 1", Refused(Put(heads: TensorToWrite.From("head_scores", new double[] { 0, wrong, 0, 0 }, 2, 2))), StringComparison.Ordinal);
        if (!double.IsFinite(wrong))
        {
            Assert.Contains("finite factors", Refused(Put(factors: TensorToWrite.From("coefficients", new double[] { 1, 1, wrong, 1, 1, 1 }, 6))), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Missing_misshapen_and_empty_tensors_are_refused_by_name()
    {
        TensorToWrite other = TensorToWrite.From("other", new double[] { 1 }, 1);
        Assert.Contains("tensor 'mlp_scores': expected 2 dimensions, none of them empty, found no such tensor", Refused(Put(neurons: other)), StringComparison.Ordinal);
        Assert.Contains("tensor 'head_scores'", Refused(Put(heads: other)), StringComparison.Ordinal);
        Assert.Contains("tensor 'coefficients': expected 1 dimensions", Refused(Put(factors: other)), StringComparison.Ordinal);
        Assert.Contains("tensor 'mlp_scores'", Refused(Put(neurons: TensorToWrite.From("mlp_scores", new double[6], 6))), StringComparison.Ordinal);
        Assert.Contains("tensor 'mlp_scores'", Refused(Put(neurons: TensorToWrite.From("mlp_scores", Array.Empty<double>(), 1L << 40, 0))), StringComparison.Ordinal);
        Assert.Contains("[2, 3] and [1, 4]", Refused(Put(heads: TensorToWrite.From("head_scores", new double[4], 1, 4))), StringComparison.Ordinal);
        Assert.Contains("expected 6 factors, found 5", Refused(Put(factors: TensorToWrite.From("coefficients", new double[5], 5))), StringComparison.Ordinal);
        Assert.Contains("tensor 'mlp_scores'", Refused(Put(neurons: new TensorToWrite("mlp_scores", TensorType.Bool, [2, 3], stream => stream.Write(new byte[6])))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        Example.Save(_folder.File("whole"));
        byte[] whole = File.ReadAllBytes(_folder.File("whole"));
        for (int length = 0; length < whole.Length; length += 7)
        {
            Refused(_folder.Put("cut", whole.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Singles_are_read_as_well() => Assert.Equal(
        [0.5, 1, 2], ElasticScores.Load(Put(neurons: TensorToWrite.From("mlp_scores", new float[] { 0, 0, 0, 0.5f, 1, 2 }, 2, 3))).Local.Of(Axis.Neurons, 1).ToArray());

    private static Comparer<KeyValuePair<string, string>> KeyOrder { get; } =
        Comparer<KeyValuePair<string, string>>.Create((a, b) => string.CompareOrdinal(a.Key, b.Key));

    private static string Refused(string path)
    {
        CheckpointFormatException refusal = Assert.Throws<CheckpointFormatException>(() => ElasticScores.Load(path));
        Assert.Equal(path, refusal.Path);
        Assert.DoesNotContain('\n', refusal.Message);
        return refusal.Message;
    }

    private string Put(
        string version = "1", string? floor = "0.05", TensorToWrite? neurons = null, TensorToWrite? heads = null, TensorToWrite? factors = null)
    {
        Dictionary<string, string> metadata = new() { ["snapvit.scores"] = version, ["floor.heads"] = "0.2" };
        if (floor is not null)
        {
            metadata["floor.neurons"] = floor;
        }

        string path = _folder.File("scores");
        SafetensorsWriter.Write(
            path,
            [
                neurons ?? TensorToWrite.From("mlp_scores", new double[6], 2, 3),
                heads ?? TensorToWrite.From("head_scores", new double[4], 2, 2),
                factors ?? TensorToWrite.From("coefficients", new double[6], 6),
            ],
            metadata);
        return path;
    }
}
