using System.Globalization;
using System.Text;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Checkpoints;

/// <summary>
/// A checkpoint file is not what its format says it must be. The message is one line: which file, which tensor, what was expected, what was
/// found.
/// </summary>
public sealed class CheckpointFormatException : SnapViTException
{
    private const int LongestQuote = 80;
    private const int LongestFault = 1500;

    /// <summary>States one fault of one file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fault">What is wrong: where, expected, found.</param>
    /// <param name="tensor">The tensor concerned, when there is one.</param>
    /// <param name="innerException">The cause, when there is one.</param>
    public CheckpointFormatException(string path, string fault, string? tensor = null, Exception? innerException = null)
        : base(
            ErrorKind.File,
            tensor is null ? $"{path}: {OneLine(fault, LongestFault)}" : $"{path}: tensor {Quote(tensor)}: {OneLine(fault, LongestFault)}",
            innerException)
    {
        Path = path;
        Tensor = tensor;
    }

    /// <summary>The file, as the caller named it.</summary>
    public string Path { get; }

    /// <summary>The tensor concerned, or null when the fault is not about one tensor.</summary>
    public string? Tensor { get; }

    /// <summary>Text of an untrusted file made fit for a message: in quotes, on one line, of bounded length.</summary>
    internal static string Quote(string text) => $"'{OneLine(text, LongestQuote)}'";

    /// <summary>Without control characters and of bounded length: parsers quote the file in their own messages as it is.</summary>
    private static string OneLine(string text, int longest)
    {
        StringBuilder line = new();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, longest)))
        {
            bool printable = !char.IsControl(c) && !char.IsSurrogate(c)
                && char.GetUnicodeCategory(c) is not (
                    UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
            _ = printable ? line.Append(c) : line.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }

        return line.Append(text.Length > longest ? "..." : "").ToString();
    }
}
