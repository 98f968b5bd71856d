using System.Globalization;

namespace SnapViT.Data;

/// <summary>How names of classes are compared.</summary>
internal static class ClassNames
{
    /// <summary>Names that stand together, as in <c>tench, Tinca tinca</c>, and all of them as one.</summary>
    public static IEnumerable<string> Of(string names) =>
        [names, .. names.Contains(',', StringComparison.Ordinal)
            ? names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : []];

    /// <summary>The form in which names are equal: lower case, blanks for <c>_</c> and <c>-</c>, numbers without leading zeros.</summary>
    public static string Normal(string name) => NumberOf(name) is int number
        ? number.ToString(CultureInfo.InvariantCulture)
        : string.Join(' ', name.ToLowerInvariant().Split([' ', '_', '-', '\t'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The number that a name is, 0 or more; null for another name.</summary>
    public static int? NumberOf(string name) =>
        int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    /// <summary>Whether a name is an identifier of WordNet, such as <c>n01440764</c>.</summary>
    public static bool IsWordNet(string name) => name.Length == 9 && name[0] == 'n' && name.AsSpan(1).IndexOfAnyExceptInRange('0', '9') < 0;

    /// <summary>The first few of some names, for messages.</summary>
    public static string Few(IEnumerable<string> names)
    {
        string[] all = [.. names];
        return string.Join(", ", all.Take(3)) + (all.Length > 3 ? ", ..." : "");
    }
}

/// <summary>
/// Which classes of a model the classes of a set are: by their names, by their numbers, or by their order where nothing speaks against it.
/// </summary>
internal sealed class ClassMapping
{
    private readonly IReadOnlyDictionary<int, int> _classes;

    private ClassMapping(IReadOnlyDictionary<int, int> classes, string? note, string? fault) =>
        (_classes, Note, Fault) = (classes, note, fault);

    /// <summary>What was assumed; null for nothing.</summary>
    public string? Note { get; }

    /// <summary>Why the classes of the model cannot be told, one sentence; null where they can.</summary>
    public string? Fault { get; }

    /// <summary>The model's class of a label of the set.</summary>
    public int this[int label] => _classes[label];

    /// <summary>Maps the classes of a labelled set to those of a model.</summary>
    /// <param name="images">Images with labels.</param>
    /// <param name="count">Classes of the model; 0 for none.</param>
    /// <param name="names">Their names in the order of the classifier; empty where they are not known.</param>
    public static ClassMapping Of(ImageSet images, int count, IReadOnlyList<string> names)
    {
        if (count == 0)
        {
            return Failed("the model has no classifier");
        }

        int[] labels = [.. images.Entries.Select(entry => entry.Label!.Value).Distinct().Order()];
        if (images.Classes.Count == 0)
        {
            return labels[^1] < count
                ? Done(labels, labels)
                : Failed($"expected labels below {count}, the classes of the model; found {labels[^1]}");
        }

        int?[] named = names.Count == count ? Named(images, labels, names) : new int?[labels.Length];
        if (named.All(label => label is not null) && named.Distinct().Count() == labels.Length)
        {
            return Done(labels, [.. named.Select(label => label!.Value)]);
        }

        return !images.ClassesAreInOrder && labels.All(label => ClassNames.NumberOf(images.Classes[label]) is not null)
            ? Numbered(images, labels, count)
            : Ordered(images, labels, count, names, named);
    }

    private static int?[] Named(ImageSet images, int[] labels, IReadOnlyList<string> names)
    {
        Dictionary<string, int?> known = [];
        for (int index = 0; index < names.Count; index++)
        {
            foreach (string name in ClassNames.Of(names[index]).Select(ClassNames.Normal).Distinct())
            {
                known[name] = known.ContainsKey(name) ? null : index;
            }
        }

        return Array.ConvertAll(labels, label =>
        {
            int[] found = [.. images.NamesOf(label)
                .Select(name => known.GetValueOrDefault(ClassNames.Normal(name))).OfType<int>().Distinct()];
            return found.Length == 1 ? found[0] : (int?)null;
        });
    }

    private static ClassMapping Numbered(ImageSet images, int[] labels, int count)
    {
        int[] numbers = Array.ConvertAll(labels, label => ClassNames.NumberOf(images.Classes[label])!.Value);
        (int least, int most) = images.NumberRange ?? (numbers.Min(), numbers.Max());
        return most >= count
            ? Failed($"expected class numbers of 0 to {count - 1}, as the model has them, found {least} to {most}"
                + (least == 1 && most == count
                    ? "; numbers from 1 may be of another order, as those of ImageNet's development kit are"
                    : ""))
            : numbers.Distinct().Count() < numbers.Length
                ? Failed("expected every class number once, found one with and without leading zeros")
                : Done(labels, numbers);
    }

    private static ClassMapping Ordered(ImageSet images, int[] labels, int count, IReadOnlyList<string> names, int?[] named)
    {
        bool all = images.Classes.Count == count, used = labels.Length == count;
        int[] places = [.. labels.Select((label, rank) => all ? label : rank)];
        string[] strangers = [.. labels.Where((_, i) => named[i] is null).Select(label => images.Classes[label])];
        bool contradicted = named.Where((label, i) => label is int found && found != places[i]).Any();
        bool isKnownOrder = images.ClassesAreInOrder || labels.All(label => ClassNames.IsWordNet(images.Classes[label]));
        if (names.Count == count && (contradicted || !(all || used) || !isKnownOrder))
        {
            return Failed(strangers.Length == 0
                ? "several classes have one name of the model's"
                : $"{strangers.Length} of {labels.Length} classes are none of the model's by name "
                    + $"({ClassNames.Few(strangers)}; the model has {ClassNames.Few(names)}); "
                    + "expected the model's names, its class numbers, or a list of labels with both");
        }

        return !(all || used)
            ? Failed($"the model has {count} classes that its files do not name, "
                + $"found {labels.Length} ({ClassNames.Few(labels.Select(label => images.Classes[label]))}); "
                + $"expected folders named by class number, or a list of labels with {count} lines in the model's order")
            : Done(labels, places, images.ClassesAreInOrder
                ? null
                : $"the sorted names of the {count} classes are taken for the order of the model's, for nothing says another");
    }

    private static ClassMapping Done(int[] labels, int[] classes, string? note = null) =>
        new(labels.Zip(classes).ToDictionary(pair => pair.First, pair => pair.Second), note, null);

    private static ClassMapping Failed(string fault) => new(new Dictionary<int, int>(), null, fault);
}

/// <summary>The classes that test and training images have in common, by name.</summary>
internal sealed class CommonClasses
{
    private readonly Dictionary<int, int> _ofTraining;
    private readonly HashSet<int> _trained;

    private CommonClasses(Dictionary<int, int> ofTraining, HashSet<int> trained) => (_ofTraining, _trained) = (ofTraining, trained);

    /// <summary>Names of test classes without training images; null for none.</summary>
    public string? WithoutTraining { get; private init; }

    /// <summary>Names of training classes without test images; null for none.</summary>
    public string? WithoutTest { get; private init; }

    /// <summary>Matches the classes of two labelled sets.</summary>
    /// <exception cref="ImageException">They have none in common.</exception>
    public static CommonClasses Of(ImageSet test, ImageSet train)
    {
        int[] tested = Used(test), trained = Used(train);
        bool byIndex = (test.List is not null && test.List == train.List) || (test.Classes.Count == 0 && train.Classes.Count == 0);
        Dictionary<string, int> known = [];
        foreach (int label in tested)
        {
            known.TryAdd(Key(test, label, byIndex), label);
        }

        Dictionary<int, int> ofTraining = [];
        foreach (int label in trained)
        {
            // A class that the test lacks gets a number of its own, so that its images stay neighbours that are wrong.
            ofTraining[label] = known.TryGetValue(Key(train, label, byIndex), out int same) ? same : tested[^1] + 1 + ofTraining.Count;
        }

        HashSet<int> common = [.. tested.Intersect(ofTraining.Values)];
        return common.Count == 0
            ? throw new ImageException(
                train.Source, $"expected classes of {test.Source} ({Say(test, tested)}), found none of them ({Say(train, trained)})")
            : new CommonClasses(ofTraining, common)
            {
                WithoutTraining = Say(test, [.. tested.Where(label => !common.Contains(label))]),
                WithoutTest = Say(train, [.. trained.Where(label => !common.Contains(ofTraining[label]))]),
            };
    }

    /// <summary>Whether a label of the test has training images.</summary>
    public bool IsTrained(int label) => _trained.Contains(label);

    /// <summary>A label of the training images as one of the test.</summary>
    public int OfTraining(int label) => _ofTraining[label];

    private static int[] Used(ImageSet images) => [.. images.Entries.Select(entry => entry.Label!.Value).Distinct().Order()];

    private static string Key(ImageSet images, int label, bool byIndex) =>
        byIndex || images.Classes.Count == 0 ? label.ToString(CultureInfo.InvariantCulture) : ClassNames.Normal(images.Classes[label]);

    private static string? Say(ImageSet images, int[] labels) =>
        labels.Length == 0 ? null : ClassNames.Few(labels.Select(label => images.Classes.Count == 0 ? $"{label}" : images.Classes[label]));
}
