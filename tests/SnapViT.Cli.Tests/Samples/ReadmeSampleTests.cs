using System.Runtime.CompilerServices;
using SnapViT.Cli.Demo;
using SnapViT.Loading;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests.Samples;

/// <summary>The program in the README is the one in <c>samples/Readme</c>, and it runs as it stands.</summary>
[LeakCheck]
public sealed class ReadmeSampleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-readme-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("README.md")]
    [InlineData("src/SnapViT/PACKAGE.md")]
    public void The_readme_shows_the_sample_line_for_line(string file)
    {
        string[] readme = File.ReadAllLines(FromRoot(file));
        int start = Array.IndexOf(readme, "```csharp") + 1;
        Assert.NotEqual(0, start);
        Assert.Equal(File.ReadAllLines(FromRoot("samples", "Readme", "Program.cs")), readme.Skip(start).TakeWhile(line => line != "```"));
    }

    [Fact]
    public void The_sample_builds_cuts_and_embeds()
    {
        DemoModel.Extract(In("model.safetensors")).Dispose();
        string first = DemoImages.WriteUnlabelled(In("photos"), seed: 1, perClass: 1).Entries[0].Location;
        File.Copy(first, In("photo.png"));
        string output = SampleProgram.Run("SnapViT.Samples.Readme.dll", _folder);
        Assert.Contains(" FLOPs, 64 features, ", output, StringComparison.Ordinal);
        using LoadedModel small = ModelFile.Load(In("small.safetensors"));
        Assert.True(small.IsPruned);
        Assert.True(File.Exists(In("scores.safetensors")));
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static string FromRoot(params string[] path) => Path.Combine([Path.GetDirectoryName(ThisFile())!, "..", "..", "..", .. path]);

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
