using System.Runtime.CompilerServices;
using SnapViT.Cli.Demo;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Importance;
using SnapViT.Loading;

namespace SnapViT.Cli.Tests.Samples;

/// <summary>The recipes of the cookbook are those in <c>samples/Cookbook</c>, and each runs.</summary>
public sealed class CookbookTests : IDisposable
{
    private const string End = "return Task.CompletedTask;";

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-cookbook-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_page_shows_the_program_line_for_line()
    {
        string[] program = File.ReadAllLines(FromRoot("samples", "Cookbook", "Recipes.cs"));
        string[] page = File.ReadAllLines(FromRoot("docs", "cookbook.md"));
        string[][] blocks = [.. Blocks(page)];
        Assert.Equal(11, blocks.Length);
        Assert.Equal(program.TakeWhile(line => !line.StartsWith("namespace", StringComparison.Ordinal)).SkipLast(1), blocks[0]);
        Assert.Equal(Bodies(program), blocks[1..^1]);
        Assert.Equal(File.ReadAllLines(FromRoot("samples", "Cookbook", "app.cs")), blocks[^1]);
        Assert.Equal(Enumerable.Range(1, 10), page.Where(line => line.StartsWith("## ", StringComparison.Ordinal)).Select(line => int.Parse(line[3..].Split('.')[0])));
    }

    [Fact]
    public void Every_recipe_runs()
    {
        Prepare();
        string output = SampleProgram.Run("SnapViT.Samples.Cookbook.dll", _folder);
        foreach (string line in new[]
        {
            "32 images, 64 features each, 0 left out", "1: ", "0.4: ", "32 photos by 2 sub-networks of one model", "1000 ms: flops-1.0, class ",
            "0.001 ms: flops-", "stopped", "64 features", "patches of 64 numbers", "images to features and logits", "most like photos/0002.png: photos/0002.png, ",
        })
        {
            Assert.Contains(line, output, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<string[]> Blocks(string[] page)
    {
        for (int line = 0; line < page.Length; line++)
        {
            if (page[line] == "```csharp")
            {
                string[] block = [.. page.Skip(line + 1).TakeWhile(text => text != "```")];
                yield return block;
                line += block.Length;
            }
        }
    }

    /// <summary>The bodies of all methods, as they would stand in a program without one.</summary>
    private static IEnumerable<string[]> Bodies(string[] program)
    {
        for (int line = 0; line < program.Length; line++)
        {
            if (program[line].StartsWith("    public static ", StringComparison.Ordinal))
            {
                string[] body = [.. program.Skip(line + 2).TakeWhile(text => text != "    }").Select(text => text.Length > 8 ? text[8..] : text)];
                body = body[^1] == End ? body[..^1] : body;
                yield return body[^1].Length == 0 ? body[..^1] : body;
            }
        }
    }

    private void Prepare()
    {
        DemoModel.Extract(In("model.safetensors")).Dispose();
        DemoImages.WriteUnlabelled(In("photos"), seed: 1, perClass: 1);
        File.Copy(Path.Combine(In("photos"), "0000.png"), In("photo.png"));
        using LoadedModel model = ModelFile.Load(In("model.safetensors"));
        ImportanceScores scores = Criterion.Lamp.Of(model.Model.Weights, 1);
        ElasticScores saved = new(scores, ScoreCoefficients.Equal(scores.Counts), new KeepFloors(), new Dictionary<string, string>());
        saved.Save(In("scores.safetensors"));
        using ElasticViT elastic = ElasticViT.Open(model, saved);
        using Subnet small = elastic.At(Budget.Flops(0.6)), whole = elastic.At(Budget.Whole);
        elastic.SaveOnnxFamily(In("family"), [("flops-0.6", small), ("flops-1.0", whole)]);
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static string FromRoot(params string[] path) => Path.Combine([Path.GetDirectoryName(ThisFile())!, "..", "..", "..", .. path]);

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
