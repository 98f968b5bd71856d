using SnapViT.Cli.Demo;
using SnapViT.Loading;
using SnapViT.Samples.Embeddings;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests.Samples;

[LeakCheck]
public sealed class EmbeddingsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-sample-").FullName;

    private string Photos => In("photos");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_builds_cuts_and_embeds_and_opens_what_it_has_built_the_next_time()
    {
        DemoModel.Extract(In("demo.safetensors")).Dispose();
        int photos = DemoImages.WriteUnlabelled(Photos, seed: 1, perClass: 2).Count;
        (int code, string output, string error) = Run(In("demo.safetensors"), Photos, In("scores.safetensors"), In("small.safetensors"));
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith($"{photos} images, 64 features each", output, StringComparison.Ordinal);
        byte[] first = File.ReadAllBytes(In("small.safetensors"));
        using (LoadedModel small = ModelFile.Load(In("small.safetensors")))
        {
            Assert.True(small.IsPruned);
        }

        Assert.Equal((0, output, ""), Run(In("demo.safetensors"), Photos, In("scores.safetensors"), In("small.safetensors")));
        Assert.Equal(first, File.ReadAllBytes(In("small.safetensors")));
    }

    [Theory]
    [InlineData("model.safetensors", "expected four arguments, found 1")]
    [InlineData("none.safetensors photos scores small", "none.safetensors")]
    public void What_it_cannot_use_is_told_in_one_line(string arguments, string fault)
    {
        (int code, string output, string error) = Run(arguments.Split(' '));
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(fault, Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = Sample.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
