using SnapViT.Core.Scores;
using SnapViT.Data;

namespace SnapViT.Workflows;

/// <summary>
/// Which images a model was scored on, by their content: a figure on images among them says less than one on others.
/// </summary>
internal static class ScoredImages
{
    /// <summary>The provenance key of the hash of the whole set.</summary>
    public const string SetHash = "images_sha256";

    /// <summary>What scores keep of images; of those that can be read.</summary>
    public static IReadOnlyList<(long Length, long Digest)> Of(ImageSet images) =>
        [.. images.Entries.Select(Fingerprint).OfType<(long, long)>()];

    /// <summary>
    /// How many of some images were scored; null where scores say too little, as those do that were made before images were kept. Of an
    /// image whose length is known and none of theirs nothing is read.
    /// </summary>
    /// <param name="scores">The scores.</param>
    /// <param name="images">The images.</param>
    public static int? CountIn(ElasticScores scores, ImageSet images) =>
        CountIn(scores.ScoredImages, scores.Provenance.GetValueOrDefault(SetHash), images);

    /// <summary>The same of what scores keep.</summary>
    /// <param name="scored">Length and digest of every image that was scored; empty where that is not known.</param>
    /// <param name="setHash">The hash of the set that was scored; null where it is not known.</param>
    /// <param name="images">The images.</param>
    public static int? CountIn(IReadOnlyList<(long Length, long Digest)> scored, string? setHash, ImageSet images)
    {
        if (scored.Count == 0)
        {
            return setHash is not null && images.Hash() == setHash ? images.Count : null;
        }

        HashSet<(long, long)> known = [.. scored];
        HashSet<long> lengths = [.. scored.Select(image => image.Length)];
        return images.Entries.Count(entry =>
            (!entry.HasKnownLength || LengthOf(entry) is not long length || lengths.Contains(length))
            && Fingerprint(entry) is (long, long) own && known.Contains(own));
    }

    /// <summary>One line about images that were scored and measured; null where there are none.</summary>
    /// <param name="scored">How many of the test images were scored; null where that is not known.</param>
    /// <param name="of">Test images.</param>
    public static string? Warning(int? scored, int of) => scored is > 0
        ? FormattableString.Invariant($"{scored} of {of} test images are among the photos that the model was scored on, ")
            + "so that accuracy on others may be lower"
        : null;

    private static long? LengthOf(ImageEntry entry) => Read(entry, image => (long?)image.Length);

    /// <summary>Length and digest of an image; null where it cannot be read.</summary>
    public static (long Length, long Digest)? Fingerprint(ImageEntry entry) => Read(entry, image => ((long, long)?)image.Fingerprint());

    /// <summary>One that cannot be read is left out; whoever needs its pixels says so.</summary>
    private static T? Read<T>(ImageEntry entry, Func<ImageEntry, T> read)
    {
        try
        {
            return read(entry);
        }
        catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            return default;
        }
    }
}
