using SnapViT.Core.Errors;

namespace SnapViT.Cli;

/// <summary>What the process answers, and which failure is whose.</summary>
internal static class ExitCode
{
    public const int WrongInput = 1;
    public const int InternalFailure = 2;
    public const int Interrupted = 130;

    /// <summary>Prints a failure in one line, or with its trace when asked, and gives its exit code.</summary>
    /// <param name="exception">The failure.</param>
    /// <param name="output">Where a JSON object says it too; null for nowhere.</param>
    /// <param name="error">Where the line goes.</param>
    /// <param name="verbose">Whether the trace is shown.</param>
    public static int Report(Exception exception, TextWriter? output, TextWriter error, bool verbose)
    {
        int code = Of(exception);
        string line = code == Interrupted ? "interrupted" : exception.Message.ReplaceLineEndings(" ");
        WriteJson(output, KindOf(exception), line);
        error.WriteLine(code == InternalFailure ? $"snapvit: internal failure: {exception.GetType().Name}: {line}" : $"snapvit: {line}");
        if (verbose)
        {
            error.WriteLine(exception);
        }
        else if (code == InternalFailure)
        {
            error.WriteLine("snapvit: --verbose shows where");
        }

        return code;
    }

    /// <summary>A failure as the JSON object that a result would have been.</summary>
    /// <param name="output">Standard output; null where no JSON was asked for.</param>
    /// <param name="kind">
    /// Whose fault it is: a kind of <see cref="SnapViTException"/>, <c>usage</c>, <c>interrupted</c> or <c>internal</c>.
    /// </param>
    /// <param name="message">One line.</param>
    public static void WriteJson(TextWriter? output, string kind, string message)
    {
        if (output is not null)
        {
            Output.Report.WriteJson(output, new { Error = new { Kind = kind, Message = message } });
        }
    }

    private static string KindOf(Exception exception) => (Of(exception), exception) switch
    {
        (Interrupted, _) => "interrupted",
        (InternalFailure, _) => "internal",
        (_, SnapViTException { Kind: ErrorKind kind }) => kind.ToString().ToLowerInvariant(),
        _ => "file",
    };

    private static int Of(Exception exception) => exception switch
    {
        OperationCanceledException => Interrupted,
        SnapViTException => WrongInput,
        IOException or UnauthorizedAccessException => WrongInput,
        _ => InternalFailure,
    };
}
