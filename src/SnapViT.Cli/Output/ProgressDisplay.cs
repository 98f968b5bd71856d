using System.CommandLine;
using SnapViT.Workflows;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace SnapViT.Cli.Output;

/// <summary>
/// Shows how far a whole job is, with the time that is left: one live bar on a terminal, else a line every few seconds. On standard error.
/// </summary>
internal static class ProgressDisplay
{
    /// <summary>Runs work and shows its progress.</summary>
    public static T Run<T>(ParseResult parsed, Func<IProgress<WorkProgress>, T> work)
    {
        TextWriter error = parsed.InvocationConfiguration.Error;
        if (ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected)
        {
            IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
            return OnTerminal(console, TimeProvider.System, work);
        }

        return work(new ProgressLines(error, TimeProvider.System));
    }

    /// <summary>Runs work and shows its progress as a bar.</summary>
    public static T OnTerminal<T>(IAnsiConsole console, TimeProvider time, Func<IProgress<WorkProgress>, T> work)
    {
        TimeLeftColumn timeLeft = new(time);
        return console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), timeLeft)
            .Start(context => work(new ProgressBar(context, timeLeft, time)));
    }

    private sealed class ProgressBar(ProgressContext context, TimeLeftColumn timeLeft, TimeProvider time) : IProgress<WorkProgress>
    {
        private readonly ProgressText _text = new(time);
        private ProgressTask? _task;

        public void Report(WorkProgress value)
        {
            string stage = _text.Stage(value).EscapeMarkup();
            _task ??= context.AddTask(stage, maxValue: 1);
            _task.Description = stage;
            _task.Value = value.Share;
            timeLeft.Set(value.TimeLeft);
        }
    }

    /// <summary>The time left, which passes between two reports too.</summary>
    private sealed class TimeLeftColumn(TimeProvider time) : ProgressColumn
    {
        private volatile Tuple<TimeSpan?, long> _told = new(null, 0);

        protected override bool NoWrap => true;

        public void Set(TimeSpan? left) => _told = new Tuple<TimeSpan?, long>(left, time.GetTimestamp());

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            (TimeSpan? left, long since) = _told;
            TimeSpan? now = left - time.GetElapsedTime(since);
            return new Text(now > TimeSpan.Zero ? $"{Figures.Duration(now.Value)} left" : "");
        }
    }
}

/// <summary>Progress as lines: where a stage begins, at the end, and every few seconds between.</summary>
internal sealed class ProgressLines(TextWriter error, TimeProvider time) : IProgress<WorkProgress>
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly ProgressText _text = new(time);
    private long _last = time.GetTimestamp();
    private string? _stage;

    /// <inheritdoc/>
    public void Report(WorkProgress value)
    {
        string stage = _text.Stage(value);
        if (value.Stage != _stage || value.Done >= value.Total || time.GetElapsedTime(_last) >= Interval)
        {
            string left = value.TimeLeft > TimeSpan.Zero ? $", {Figures.Duration(value.TimeLeft.Value)} left" : "";
            error.WriteLine($"{Figures.Percent(value.Share, 0)}: {stage}{left}");
            (_last, _stage) = (time.GetTimestamp(), value.Stage);
        }
    }
}

/// <summary>What a stage is doing: its units, their rate, the latest figure of interest.</summary>
internal sealed class ProgressText(TimeProvider time)
{
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(1);

    private string? _stage;
    private (long Done, long Time) _first;

    /// <summary>A report as text, such as <c>photos 52/64, 4.97/s, loss 105.1</c>.</summary>
    public string Stage(WorkProgress value)
    {
        if (value.Stage != _stage)
        {
            // What was done before, as by a build that is continued, took no time here.
            (_stage, _first) = (value.Stage, (value.Done, time.GetTimestamp()));
        }

        TimeSpan elapsed = time.GetElapsedTime(_first.Time);
        double? perSecond = value.Done > _first.Done && elapsed >= LeastTime
            ? (value.Done - _first.Done) / elapsed.TotalSeconds
            : null;
        if (value.Note == WorkProgress.Bytes)
        {
            string speed = perSecond is double bytes ? $", {Figures.Bytes(bytes)}/s" : "";
            return $"{value.Stage} {Figures.Bytes(value.Done)} of {Figures.Bytes(value.Total)}{speed}";
        }

        string rate = perSecond is double units ? Figures.Invariant($", {units:0.##}/s") : "";
        string note = value.Note.Length > 0 ? $", {value.Note}" : "";
        return Figures.Invariant($"{value.Stage} {value.Done}/{value.Total}{rate}{note}");
    }
}
