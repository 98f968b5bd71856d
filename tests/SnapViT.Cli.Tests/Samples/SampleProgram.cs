using System.Diagnostics;

namespace SnapViT.Cli.Tests.Samples;

/// <summary>A program of the samples, run as its users run it.</summary>
internal static class SampleProgram
{
    /// <summary>Runs it to its end in a folder; it must succeed and complain of nothing.</summary>
    /// <param name="assembly">The file of the program, beside these tests.</param>
    /// <param name="folder">Where it runs.</param>
    /// <returns>What it printed.</returns>
    public static string Run(string assembly, string folder)
    {
        using Process sample = Process.Start(new ProcessStartInfo("dotnet")
        {
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, assembly) },
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = sample.StandardOutput.ReadToEnd(), error = sample.StandardError.ReadToEnd();
        sample.WaitForExit();
        Assert.Equal((0, ""), (sample.ExitCode, error));
        return output;
    }
}
