using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Workflows;

namespace SnapViT.Cli.Output;

/// <summary>What of single images and batches stands in a row of JSON.</summary>
/// <param name="Speed">Median and quartiles of images a second over batches; null with too few batches.</param>
/// <param name="Farthest">The images whose features moved most.</param>
internal sealed record RowFacts((double Median, double Low, double High)? Speed, IReadOnlyList<object> Farthest);

/// <summary>Turns outcomes of single images into what stands in JSON.</summary>
/// <param name="outcomes">What was noted of every image.</param>
/// <param name="classes">Names of the classes; empty where they are not known.</param>
internal sealed class ImageFacts(ImageOutcomes outcomes, IReadOnlyList<string> classes)
{
    private const int Shown = 8;

    /// <summary>Names of a model's classes: its own, else those of the test images
    /// where they are the same classes in the same order.</summary>
    public static IReadOnlyList<string> ClassNames(LoadedModel model, ImageSet test)
    {
        int count = model.Model.Architecture.Classes;
        if (model.ClassNames.Count > 0 || test.Classes.Count != count || !test.IsLabelled)
        {
            return model.ClassNames;
        }

        ClassMapping mapping = ClassMapping.Of(test, count, []);
        return mapping.Fault is null && test.Entries.All(entry => mapping[entry.Label!.Value] == entry.Label) ? test.Classes : [];
    }

    /// <summary>The facts of a model by its place in the evaluation; the first has no images that moved.</summary>
    public RowFacts Of(int model) => new(
        outcomes.Speed(model), model == 0 ? [] : [.. outcomes.Farthest(model, Shown).Select(image => Changed(model, image))]);

    private object Changed(int model, int image) => new
    {
        Name = outcomes.Names[image],
        Distance = Math.Round(outcomes.Distances(model)[image], 5),
        Before = Class(0, image),
        After = Class(model, image),
    };

    private string? Class(int model, int image) => outcomes.Predicted(model) is { Count: > 0 } predicted
        ? predicted[image] < classes.Count ? classes[predicted[image]] : $"class {predicted[image]}"
        : null;
}
