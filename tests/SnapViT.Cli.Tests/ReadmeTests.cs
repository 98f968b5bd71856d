using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SnapViT.Cli.Tests;

/// <summary>The lines of the README that run as they stand do so, in order, in an empty folder.</summary>
public sealed class ReadmeTests : IDisposable
{
    private const string Mark = "<!-- A test runs every line of this block. -->", Start = "snapvit ";

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-readme-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Every_line_of_the_block_ends_with_0()
    {
        string[] readme = await File.ReadAllLinesAsync(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "README.md"), TestContext.Current.CancellationToken);
        string[] lines = [.. readme.SkipWhile(line => line != Mark).Skip(2).TakeWhile(line => line != "```")];
        Assert.True(lines.Length > 5, "the block");
        foreach (string line in lines)
        {
            Assert.StartsWith(Start, line, StringComparison.Ordinal);
            using Process process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "snapvit"), line[Start.Length..])
            {
                WorkingDirectory = _folder, RedirectStandardError = true, RedirectStandardOutput = true,
            })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, $"{line}: {error}");
            Assert.Contains("done in ", await output, StringComparison.Ordinal);
        }
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
