using System.CommandLine;
using SnapViT.Cli.Commands;

namespace SnapViT.Cli;

/// <summary>The <c>snapvit</c> command: argv in; text, files and an exit code out.</summary>
internal static class SnapVitCommand
{
    /// <summary>The command with its verbs and options.</summary>
    public static RootCommand Create()
    {
        RootCommand root = new("Turns one pretrained Vision Transformer into a model of any size: no labels, no retraining.")
        {
            DemoCommand.Create(), BuildCommand.Create(), PlanCommand.Create(), CutCommand.Create(), EvalCommand.Create(),
            InspectCommand.Create(), ReportCommand.Create(), SweepCommand.Create(), ExportCommand.Create(), DataCommand.Create(),
            MergeCommand.Create(), MergeScoresCommand.Create(), EmbedCommand.Create(), ServeCommand.Create(), CkaCommand.Create(),
            SegmentCommand.Create(), BenchCommand.Create(), WorkerCommand.Create(line => Create().Parse(line)),
            ConvertCommand.Create(), TrainDemoCommand.Create(),
        };
        GlobalOptions.AddTo(root);
        GlobalOptions.RequirePlainNumbers(root);
        Verb.AddExamples(root);
        return root;
    }

    /// <summary>Runs one command line.</summary>
    /// <param name="args">Arguments without the command's own name.</param>
    /// <param name="output">Results.</param>
    /// <param name="error">Progress and errors.</param>
    /// <param name="cancellation">Stops the work (<see cref="Interruption"/>).</param>
    /// <returns>0 done, 1 wrong input or options, 2 internal failure, 130 interrupted.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        // Who says nothing is told how to begin.
        ParseResult parsed = Create().Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0)
        {
            string fault = UsageFault.Of(parsed);
            ExitCode.WriteJson(args.Contains(GlobalOptions.Json.Name) ? output : null, "usage", fault["snapvit: ".Length..]);
            await error.WriteLineAsync(fault).ConfigureAwait(false);
            return ExitCode.WrongInput;
        }

        InvocationConfiguration configuration = new()
        {
            Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null,
        };
        try
        {
            PathArguments.Require(parsed);
            return await parsed.InvokeAsync(configuration, cancellation).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            return ExitCode.Report(
                exception, parsed.GetValue(GlobalOptions.Json) ? output : null, error, parsed.GetValue(GlobalOptions.Verbose));
        }
    }
}
