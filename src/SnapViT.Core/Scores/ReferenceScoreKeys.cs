using System.Globalization;
using SnapViT.Core.Architecture;

namespace SnapViT.Core.Scores;

/// <summary>Keys of the reference's score files (its src/inference/importance_scores.py).</summary>
internal static class ReferenceScoreKeys
{
    public const string Neurons = "mlp_scores";
    public const string Heads = "head_scores";
    public const string ModelType = "model_type";
    public const string Mlp = "mlp_architecture";
    public const string Depth = "num_blocks";
    public const string Hidden = "hidden_dim";
    public const string Width = "embed_dim";
    public const string HeadCount = "num_heads";
    public const string HeadDim = "head_dim";
    public const string NeuronFloor = "min_hidden_dim_keep_ratio";
    public const string HeadFloor = "min_head_keep_ratio";
    public const string Metadata = "metadata";
    public const string MlpClass = "MLPArchitecture";

    public static IReadOnlyList<string> All { get; } = [Neurons, Heads, ModelType, Mlp, Depth, Hidden, Width, HeadCount, HeadDim, NeuronFloor, HeadFloor, Metadata];

    public static string NameOf(MlpKind mlp) => mlp == MlpKind.SwiGlu ? "swiglu" : "standard";

    /// <summary>What a file says, as text by key.</summary>
    public static SortedDictionary<string, string> Provenance(ReferenceScores scores)
    {
        SortedDictionary<string, string> provenance = new(StringComparer.Ordinal)
        {
            [ModelType] = scores.ModelType,
            [Mlp] = NameOf(scores.Mlp),
            [Width] = Text(scores.Width),
            [HeadDim] = Text(scores.HeadDim),
        };
        foreach ((string key, object? value) in scores.Metadata)
        {
            provenance[$"{Metadata}.{key}"] = Text(value);
        }

        return provenance;
    }

    private static string Text(object? value) => value switch
    {
        null => "none",
        string text => text,
        IReadOnlyDictionary<string, object?> dictionary => string.Join(' ', dictionary.Select(pair => $"{pair.Key}={Text(pair.Value)}")),
        System.Collections.IEnumerable list => string.Join(' ', list.Cast<object?>().Select(Text)),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
