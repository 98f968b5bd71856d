using SnapViT.Cli.Output;
using SnapViT.Tests;
using SnapViT.Workflows;
using Spectre.Console;

namespace SnapViT.Cli.Tests.Output;

public sealed class ProgressLinesTests
{
    private readonly SetClock _clock = new();

    [Fact]
    public void A_line_begins_every_stage_and_ends_it_and_comes_every_ten_seconds_between()
    {
        string[] lines = Lines(progress =>
        {
            for (int done = 0; done <= 50; done++)
            {
                progress.Report(new WorkProgress("photos", done, 50, done > 0 ? "loss 0.5" : "") { Share = done / 100.0 });
                _clock.Pass(0.5);
            }

            progress.Report(new WorkProgress("search", 0, 10) { Share = 0.5, TimeLeft = TimeSpan.FromSeconds(150) });
        });
        Assert.Equal(
            [
                "0 %: photos 0/50",
                "20 %: photos 20/50, 2/s, loss 0.5",
                "40 %: photos 40/50, 2/s, loss 0.5",
                "50 %: photos 50/50, 2/s, loss 0.5",
                "50 %: search 0/10, 2 min 30 s left",
            ],
            lines);
    }

    [Fact]
    public void Work_that_is_continued_has_the_rate_of_what_is_done_now()
    {
        string[] lines = Lines(progress =>
        {
            progress.Report(new WorkProgress("photos", 900, 1000));
            _clock.Pass(20);
            progress.Report(new WorkProgress("photos", 920, 1000));
        });
        Assert.Equal(["90 %: photos 900/1000", "92 %: photos 920/1000, 1/s"], lines);
    }

    [Fact]
    public void A_terminal_has_one_bar_for_the_whole_job()
    {
        using StringWriter written = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(written),
        });
        console.Profile.Width = 140;
        int result = ProgressDisplay.OnTerminal(console, _clock, progress =>
        {
            progress.Report(new WorkProgress("photos", 0, 4) { Share = 0 });
            progress.Report(new WorkProgress("photos", 4, 4, "loss [1]") { Share = 0.4, TimeLeft = TimeSpan.FromSeconds(150) });
            Thread.Sleep(300);
            progress.Report(new WorkProgress("search", 1, 5) { Share = 0.52, TimeLeft = TimeSpan.FromSeconds(45) });
            return 7;
        });
        string shown = written.ToString();
        Assert.Equal(7, result);
        Assert.Contains("photos 4/4, loss [1]", shown, StringComparison.Ordinal);
        Assert.Contains("2 min 30 s left", shown, StringComparison.Ordinal);
        string last = shown[shown.LastIndexOf("search 1/5", StringComparison.Ordinal)..];
        Assert.Contains("52%", last, StringComparison.Ordinal);
        Assert.DoesNotContain("photos", last, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_have_units()
    {
        string[] lines = Lines(progress =>
        {
            progress.Report(new WorkProgress("fetching model.safetensors", 950, 22_880_000, "bytes"));
            _clock.Pass(11);
            progress.Report(new WorkProgress("fetching model.safetensors", 11_000_950, 22_880_000, "bytes"));
        });
        Assert.Equal(
            ["0 %: fetching model.safetensors 950 B of 22.88 MB", "48 %: fetching model.safetensors 11.00 MB of 22.88 MB, 1.00 MB/s"],
            lines);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(2414, "2.4 kB")]
    [InlineData(1_950_000, "1.95 MB")]
    [InlineData(4_200_000_000, "4.20 GB")]
    public void Bytes_are_in_units_of_a_thousand(long bytes, string text) => Assert.Equal(text, Figures.Bytes(bytes));

    [Theory]
    [InlineData(0.2, "1 s")]
    [InlineData(59, "59 s")]
    [InlineData(60, "1 min")]
    [InlineData(64.9, "1 min 10 s")]
    [InlineData(150, "2 min 30 s")]
    [InlineData(594, "9 min 50 s")]
    [InlineData(599, "10 min")]
    [InlineData(3540, "59 min")]
    [InlineData(3590, "1 h")]
    [InlineData(4800, "1 h 20 min")]
    public void A_time_has_the_two_units_that_matter(double seconds, string text) =>
        Assert.Equal(text, Figures.Duration(TimeSpan.FromSeconds(seconds)));

    private string[] Lines(Action<IProgress<WorkProgress>> work)
    {
        using StringWriter error = new();
        work(new ProgressLines(error, _clock));
        return error.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }
}
