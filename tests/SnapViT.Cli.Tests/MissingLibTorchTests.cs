using System.Runtime.InteropServices;

namespace SnapViT.Cli.Tests;

/// <summary>The command where libtorch is not: built with <c>-p:LibTorch=none</c> and started without a libtorch of one's own.</summary>
public sealed class MissingLibTorchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    private readonly Workspace _work = new Workspace().WithScores();

    public MissingLibTorchTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "needs Linux on x86-64");
        foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory).Where(Belongs))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        _work.Dispose();
    }

    [Theory]
    [InlineData("build {0} --images {1} --out {2}")]
    [InlineData("build {0} --images {1} --out {2} --device cuda")]
    [InlineData("cut {0} {3} --flops 0.6 --out {2}")]
    [InlineData("eval {0} --test {1}")]
    [InlineData("demo --out {2}")]
    public async Task It_is_named_in_one_line(string line)
    {
        string arguments = string.Format(System.Globalization.CultureInfo.InvariantCulture, line, _work.ModelPath, _work.Photos, _work.Out, _work.Scores);
        using SnapVitProcess process = SnapVitProcess.Start(arguments, _folder);
        (int code, string error) = await process.End();
        Assert.Equal(1, code);
        Assert.StartsWith("snapvit: libc10.so of the package libtorch-cpu-linux-x64 is in none of: ", error, StringComparison.Ordinal);
        Assert.EndsWith("adds it with: dotnet add package libtorch-cpu-linux-x64 --version 2.10.0\n", error, StringComparison.Ordinal);
        Assert.Equal(1, error.AsSpan().Count('\n'));
    }

    // A program of its own that calls the library: it builds where there are no scores, else it opens.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_program_that_builds_or_opens_is_told_the_package_to_add(bool opens)
    {
        string scores = opens ? _work.WithScores().Scores : _work.In("none.safetensors");
        using SnapVitProcess process = SnapVitProcess.Start($"{_work.ModelPath} {_work.Photos} {scores} {_work.Out}", _folder, "SnapViT.Samples.Embeddings");
        (int code, string error) = await process.End();
        Assert.Equal(1, code);
        Assert.StartsWith("Embeddings: libc10.so of the package libtorch-cpu-linux-x64 is in none of: ", error, StringComparison.Ordinal);
        Assert.EndsWith("adds it with: dotnet add package libtorch-cpu-linux-x64 --version 2.10.0\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_package_that_is_named_is_the_one_that_the_tests_run_with()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Directory.Packages.props")))
        {
            at = at.Parent;
        }

        Assert.Contains(
            "<PackageVersion Include=\"libtorch-cpu-linux-x64\" Version=\"2.10.0\" />", File.ReadAllText(Path.Combine(at!.FullName, "Directory.Packages.props")), StringComparison.Ordinal);
    }

    /// <summary>Everything but libtorch, and but the list of dependencies, which would ask for it.</summary>
    private static bool Belongs(string file)
    {
        string name = Path.GetFileName(file);
        bool native = name.StartsWith("lib", StringComparison.Ordinal) && name is not ("libLibTorchSharp.so" or "libSkiaSharp.so");
        return !native && !name.EndsWith(".deps.json", StringComparison.Ordinal) && !name.EndsWith(".xml", StringComparison.Ordinal);
    }
}
