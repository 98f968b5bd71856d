using System.Text;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Tests;

namespace SnapViT.Cli.Tests;

/// <summary>Who is blamed for a failure: the user for what was given (1), the program for everything else (2).</summary>
[LeakCheck]
public sealed class ExitCodeTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_fault_of_the_program_itself_is_not_blamed_on_the_user()
    {
        using FaultyWriter output = new();
        using StringWriter error = new();
        int code = await SnapVitCommand.RunAsync(["inspect", _work.ModelPath], output, error, TestContext.Current.CancellationToken);
        Assert.Equal(2, code);
        string[] said = error.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["snapvit: internal failure: ArgumentException: expected [2, 3], found [3, 2] (Parameter 'value')", "snapvit: --verbose shows where"], said);
    }

    public static TheoryData<Exception, int> Failures => new()
    {
        { new SnapViTException(ErrorKind.Numbers, "x"), 1 },
        { new BudgetException("x"), 1 },
        { new IOException("x"), 1 },
        { new FileNotFoundException("x"), 1 },
        { new UnauthorizedAccessException("x"), 1 },
        { new OperationCanceledException("x"), 130 },
        { new ArgumentException("x"), 2 },
        { new ArgumentOutOfRangeException("x"), 2 },
        { new FormatException("x"), 2 },
        { new InvalidOperationException("x"), 2 },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void Every_kind_of_failure_has_its_code(Exception failure, int code) =>
        Assert.Equal(code, ExitCode.Report(failure, null, TextWriter.Null, verbose: false));

    /// <summary>Stands for a range check inside the program that fails.</summary>
    private sealed class FaultyWriter : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => throw new ArgumentException("expected [2, 3], found [3, 2]", nameof(value));
    }
}
