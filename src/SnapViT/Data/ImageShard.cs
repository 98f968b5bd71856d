using System.Globalization;
using SnapViT.Core.Errors;

namespace SnapViT.Data;

/// <summary>
/// One of several parts that a pass over images is divided into: every consumer gets an equal share of its batches, which are the same
/// however many parts there are.
/// </summary>
/// <param name="Index">Which one, from 0.</param>
/// <param name="Count">How many there are, at least 1.</param>
internal readonly record struct ImageShard(int Index, int Count)
{
    /// <summary>The most parts that are sensible: more than any set has batches would only be empty.</summary>
    private const int Most = 100_000;

    /// <summary>Reads such as "3/8", counted from 1.</summary>
    /// <exception cref="SnapViTException">It is none.</exception>
    public static ImageShard Parse(string text)
    {
        string[] parts = text.Split('/');
        return parts is [string first, string second]
            && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            && index >= 1 && index <= count && count <= Most
            ? new ImageShard(index - 1, count)
            : throw new SnapViTException(
                ErrorKind.Option, $"shard: expected a number of as many such as 3/8, counted from 1, found '{text}'");
    }

    /// <summary>Such as "3/8".</summary>
    public override string ToString() => FormattableString.Invariant($"{Index + 1}/{Count}");

    /// <summary>The first and the first that is not any more of so many things.</summary>
    public (int First, int End) Of(int things) => ((int)((long)things * Index / Count), (int)((long)things * (Index + 1) / Count));
}
