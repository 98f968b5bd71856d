using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>Shows how far long work is: a live bar with rate and time left on a terminal, else plain lines every few seconds. On standard error.</summary>
internal static class ProgressDisplay
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    /// <summary>Runs work and shows its progress.</summary>
    public static T Run<T>(ParseResult parsed, Func<IProgress<WorkProgress>, T> work)
    {
        TextWriter error = parsed.InvocationConfiguration.Error;
        if (ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected)
        {
            IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
            return console.Progress()
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
                .Start(context => work(new Bars(context)));
        }

        return work(new Lines(error));
    }

    private static string Rate(WorkProgress progress, Stopwatch watch)
    {
        // The first report starts the watch: a rate needs some time after it.
        string rate = watch.Elapsed.TotalSeconds > 1 ? string.Create(CultureInfo.InvariantCulture, $", {progress.Done / watch.Elapsed.TotalSeconds:0.##}/s") : "";
        string note = progress.Note.Length > 0 ? $", {progress.Note}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{progress.Stage} {progress.Done}/{progress.Total}{rate}{note}");
    }

    private sealed class Bars(ProgressContext context) : IProgress<WorkProgress>
    {
        private readonly Dictionary<string, (ProgressTask Task, Stopwatch Watch)> _stages = [];

        public void Report(WorkProgress value)
        {
            if (!_stages.TryGetValue(value.Stage, out (ProgressTask Task, Stopwatch Watch) stage))
            {
                stage = (context.AddTask(value.Stage, maxValue: value.Total), Stopwatch.StartNew());
                _stages.Add(value.Stage, stage);
            }

            stage.Task.Description = Rate(value, stage.Watch).EscapeMarkup();
            stage.Task.Value = value.Done;
        }
    }

    private sealed class Lines(TextWriter error) : IProgress<WorkProgress>
    {
        private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
        private readonly Dictionary<string, Stopwatch> _stages = [];

        public void Report(WorkProgress value)
        {
            if (_stages.TryAdd(value.Stage, Stopwatch.StartNew()) || value.Done >= value.Total || _sinceLine.Elapsed > PlainInterval)
            {
                Stopwatch watch = _stages[value.Stage];
                double left = watch.Elapsed.TotalSeconds / value.Done * (value.Total - value.Done);
                string rest = value.Done < value.Total && value.Done > 1 ? string.Create(CultureInfo.InvariantCulture, $", {left:0} s left") : "";
                error.WriteLine(Rate(value, watch) + rest);
                _sinceLine.Restart();
            }
        }
    }
}
