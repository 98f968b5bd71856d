using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>
/// Shows how far long work is: a live bar with rate and time left on a terminal, else plain lines every few seconds. On standard error.
/// </summary>
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

    /// <summary>A stage since its first report; what was done before it, as by a build that is continued, took no time here.</summary>
    private sealed class Stage(long doneBefore)
    {
        private readonly Stopwatch _watch = Stopwatch.StartNew();

        public string Describe(WorkProgress progress)
        {
            string rate = PerSecond(progress) is double perSecond
                ? string.Create(CultureInfo.InvariantCulture, $", {perSecond:0.##}/s")
                : "";
            string note = progress.Note.Length > 0 ? $", {progress.Note}" : "";
            return string.Create(CultureInfo.InvariantCulture, $"{progress.Stage} {progress.Done}/{progress.Total}{rate}{note}");
        }

        public string TimeLeft(WorkProgress progress) => progress.Done < progress.Total && PerSecond(progress) is double perSecond
            ? string.Create(CultureInfo.InvariantCulture, $", {(progress.Total - progress.Done) / perSecond:0} s left")
            : "";

        /// <summary>The rate, or null as long as too little time has passed to tell one.</summary>
        private double? PerSecond(WorkProgress progress) => progress.Done > doneBefore && _watch.Elapsed.TotalSeconds > 1
            ? (progress.Done - doneBefore) / _watch.Elapsed.TotalSeconds
            : null;
    }

    private sealed class Bars(ProgressContext context) : IProgress<WorkProgress>
    {
        private readonly Dictionary<string, (ProgressTask Task, Stage Stage)> _stages = [];

        public void Report(WorkProgress value)
        {
            if (!_stages.TryGetValue(value.Stage, out (ProgressTask Task, Stage Stage) stage))
            {
                stage = (context.AddTask(value.Stage, maxValue: value.Total), new Stage(value.Done));
                _stages.Add(value.Stage, stage);
            }

            stage.Task.Description = stage.Stage.Describe(value).EscapeMarkup();
            stage.Task.Value = value.Done;
        }
    }

    private sealed class Lines(TextWriter error) : IProgress<WorkProgress>
    {
        private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
        private readonly Dictionary<string, Stage> _stages = [];

        public void Report(WorkProgress value)
        {
            if (_stages.TryAdd(value.Stage, new Stage(value.Done)) || value.Done >= value.Total || _sinceLine.Elapsed > PlainInterval)
            {
                Stage stage = _stages[value.Stage];
                error.WriteLine(stage.Describe(value) + stage.TimeLeft(value));
                _sinceLine.Restart();
            }
        }
    }
}
