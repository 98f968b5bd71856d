using SnapViT.Core.Errors;

namespace SnapViT.Cli;

/// <summary>What the process answers, and which failure is whose.</summary>
internal static class ExitCode
{
    public const int WrongInput = 1;
    public const int InternalFailure = 2;
    public const int Interrupted = 130;

    /// <summary>Prints a failure in one line, or with its trace when asked, and gives its exit code.</summary>
    public static int Report(Exception exception, TextWriter error, bool verbose)
    {
        int code = Of(exception);
        string line = code == Interrupted ? "interrupted" : exception.Message.ReplaceLineEndings(" ");
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

    private static int Of(Exception exception) => exception switch
    {
        OperationCanceledException => Interrupted,
        SnapViTException => WrongInput,
        IOException or UnauthorizedAccessException => WrongInput,
        _ => InternalFailure,
    };
}
