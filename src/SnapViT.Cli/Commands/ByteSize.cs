using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;

namespace SnapViT.Cli.Commands;

/// <summary>An amount of memory as people write it.</summary>
internal static class ByteSize
{
    /// <summary>Bytes of a text such as <c>4GB</c> (10^9) or <c>4GiB</c> (2^30).</summary>
    /// <param name="option">The option that it stands behind.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="SnapViTException">It is no positive number with a unit.</exception>
    public static long Parse(string option, string text)
    {
        string trimmed = text.Trim();
        (string? suffix, double factor) = BudgetText.Bytes.FirstOrDefault(
            unit => trimmed.EndsWith(unit.Suffix, StringComparison.OrdinalIgnoreCase));
        return suffix is not null
            && double.TryParse(trimmed[..^suffix.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && number * factor is >= 1 and < long.MaxValue
                ? (long)(number * factor)
                : throw new SnapViTException(ErrorKind.Option, $"{option}: expected an amount such as 4GB or 800MiB, found '{text}'");
    }
}
