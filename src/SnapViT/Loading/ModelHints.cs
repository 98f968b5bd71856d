using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Loading;

/// <summary>What a user says of a model beside its file: needed only where the file leaves a doubt.</summary>
public sealed record ModelHints
{
    /// <summary>Activations by the names that people give and read them by.</summary>
    public static IReadOnlyList<(string Name, Activation Activation)> Activations { get; } =
        [
            ("gelu-erf", Core.Architecture.Activation.GeluErf),
            ("gelu-tanh", Core.Architecture.Activation.GeluTanh),
            ("quick-gelu", Core.Architecture.Activation.QuickGelu),
        ];

    /// <summary>Nothing is said.</summary>
    public static ModelHints None { get; } = new();

    /// <summary>Attention heads per block of the unpruned model; null to infer them.</summary>
    public int? Heads { get; init; }

    /// <summary>Activation of a standard MLP; null to infer it.</summary>
    public Activation? Activation { get; init; }

    /// <summary>
    /// Side of the input image in pixels, a multiple of the patch: position embeddings are resampled to it. Null for the file's own.
    /// </summary>
    public int? ImageSize { get; init; }

    /// <summary>
    /// Which of several models in the file, by a part of the names before it, such as <c>ema</c> or <c>teacher</c>; null where it holds one
    /// only.
    /// </summary>
    public string? Weights { get; init; }

    /// <summary>Refuses a hint that contradicts the file.</summary>
    /// <exception cref="CheckpointFormatException">It does.</exception>
    internal static T Agreed<T>(string path, string flag, T? hint, T known, string source)
        where T : struct => hint is T said && !said.Equals(known)
            ? throw new CheckpointFormatException(path, $"{flag}: expected {Text(known)}, which {source} says, found {Text(said)}")
            : known;

    /// <summary>A fact as people give and read it.</summary>
    internal static string Text(object? fact) => fact switch
    {
        Activation activation => Activations.First(row => row.Activation == activation).Name,
        Data.Preprocessing preprocessing => preprocessing.Describe(),
        IReadOnlyList<string> { Count: > 0 } names => $"{names[0]} to {names[^1]}",
        _ => Convert.ToString(fact, CultureInfo.InvariantCulture) ?? "",
    };
}
