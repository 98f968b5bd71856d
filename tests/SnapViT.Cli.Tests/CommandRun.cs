using System.Text.Json;

namespace SnapViT.Cli.Tests;

/// <summary>What one command line answered, run within this process.</summary>
internal sealed record CommandRun(int Code, string Output, string Error)
{
    /// <summary>Runs arguments separated by spaces.</summary>
    public static Task<CommandRun> Of(string arguments) => UntilCancelled(arguments, TestContext.Current.CancellationToken);

    public static async Task<CommandRun> UntilCancelled(string arguments, CancellationToken cancellation)
    {
        using StringWriter output = new(), error = new();
        int code = await SnapVitCommand.RunAsync(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), output, error, cancellation);
        return new CommandRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs a command that must succeed and reads its JSON.</summary>
    public static async Task<JsonElement> Json(string arguments)
    {
        CommandRun run = await Of(arguments + " --json");
        Assert.True(run.Code == 0, run.Error);
        using JsonDocument document = JsonDocument.Parse(run.Output);
        return document.RootElement.Clone();
    }
}
