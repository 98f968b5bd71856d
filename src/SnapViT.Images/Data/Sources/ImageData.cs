using SnapViT.Core.Randomness;

namespace SnapViT.Data.Sources;

/// <summary>What images are wanted for, which says the split that is meant where none is named.</summary>
internal enum SplitUse
{
    /// <summary>Photos to look at, whose labels are not used: training images.</summary>
    Photos,

    /// <summary>Training images with labels.</summary>
    Train,

    /// <summary>Test images with labels.</summary>
    Test,
}

/// <summary>How images are to be opened.</summary>
/// <param name="Labels">Whether labels are needed; what tells them is not read where they are not.</param>
/// <param name="List">A list that somebody gave to tell the classes; null for none.</param>
internal readonly record struct Wanted(bool Labels, LabelFile? List = null);

/// <summary>A part of a data set, such as its training images.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Open">Gives its images.</param>
internal sealed record ImageSplit(string Name, Func<Wanted, ImageSet> Open)
{
    /// <summary>The name of the only part of a data set that has no parts.</summary>
    public const string All = "all";
}

/// <summary>A data set that was recognised: its parts, none of which is read yet.</summary>
/// <param name="location">Where it is.</param>
/// <param name="format">What it was recognised as, in a few words.</param>
/// <param name="splits">Its parts, at least one.</param>
internal sealed class ImageData(ImageLocation location, string format, IReadOnlyList<ImageSplit> splits)
{
    /// <summary>The share of the images that a test split has where a data set has no parts (Simoncini et al. 2025).</summary>
    private const double TestShare = 0.2;
    private const ulong SplitSeed = 42;

    private static readonly string[] TrainNames = ["train", "training", "trainval"];
    private static readonly string[] TestNames = ["test", "testing", "val", "validation", "valid", "dev"];

    /// <summary>Where it is.</summary>
    public ImageLocation Location => location;

    /// <summary>What it was recognised as.</summary>
    public string Format => format;

    /// <summary>Its parts.</summary>
    public IReadOnlyList<ImageSplit> Splits => splits;

    /// <summary>Whether a name is one that data sets give to their parts.</summary>
    public static bool IsSplitName(string name) =>
        TrainNames.Concat(TestNames).Append("unlabeled").Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The part that is named, or that is meant where none is.</summary>
    /// <exception cref="ImageException">There is no such part.</exception>
    public ImageSplit Choose(SplitUse use)
    {
        if (location.Split is string named)
        {
            return Find(named) ?? Derived(named)
                ?? throw new ImageException(location.Path, $"expected one of its splits {Names}, found '{named}'");
        }

        return splits.Count == 1
            ? splits[0]
            : (use == SplitUse.Test ? TestNames : TrainNames).Select(Find).FirstOrDefault(split => split is not null)
                ?? (use == SplitUse.Photos ? splits[0] : null)
                ?? throw new ImageException(
                    location.Path,
                    $"expected a split of {(use == SplitUse.Test ? "test" : "training")} images, found {Names}; "
                        + $"name one, such as {location.Path}#{splits[0].Name}");
    }

    /// <summary>The names of the parts.</summary>
    public string Names => string.Join(", ", splits.Select(split => split.Name));

    private ImageSplit? Find(string name) =>
        splits.FirstOrDefault(split => string.Equals(split.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Four fifths of every class to train and one to test, of a data set without parts.</summary>
    private ImageSplit? Derived(string name) => splits is not [{ Name: ImageSplit.All } all] || name is not ("train" or "test")
        ? null
        : new ImageSplit(name, wanted =>
        {
            ImageSet images = all.Open(wanted with { Labels = true });
            HashSet<ImageEntry> test = [.. images.Entries.GroupBy(entry => entry.Label).SelectMany(TestOf)];
            return images.Where(entry => test.Contains(entry) == (name == "test"));
        });

    private static IEnumerable<ImageEntry> TestOf(IGrouping<int?, ImageEntry> ofClass)
    {
        ImageEntry[] entries = [.. ofClass];
        SeededRandom.ForPurpose(SplitSeed, $"test split of class {ofClass.Key}").Shuffle(entries.AsSpan());
        return entries.Take((int)Math.Round(entries.Length * TestShare));
    }
}
