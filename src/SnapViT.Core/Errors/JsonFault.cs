using System.Text.Json;

namespace SnapViT.Core.Errors;

/// <summary>What is wrong with a file of JSON, in words for who wrote the file.</summary>
internal static class JsonFault
{
    /// <summary>The message of a fault; a null where none may be is told by its member and not by a type of this program.</summary>
    public static string Text(Exception exception) =>
        exception is JsonException { Path: string path } && exception.Message.Contains("allow", StringComparison.Ordinal)
            && exception.Message.Contains("null", StringComparison.Ordinal)
            ? $"{path}: expected a value, found null"
            : exception.Message;
}
