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
