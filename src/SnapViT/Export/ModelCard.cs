using System.Globalization;
using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Loading;

namespace SnapViT.Export;

/// <summary>What people read about a model before they use it, in Markdown with the header that model hubs index.</summary>
internal static class ModelCard
{
    /// <summary>Renders the card; it says what the config says and nothing else.</summary>
    /// <param name="config">The model's config.</param>
    public static string Render(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        ViTArchitecture a = config.Architecture;
        SubnetWidths widths = config.Widths();
        StringBuilder card = new();
        Line(card, $"---");
        Line(card, $"pipeline_tag: {(a.Classes > 0 ? "image-classification" : "image-feature-extraction")}");
        Line(card, $"tags: [vision, vision-transformer, pruning, snapvit]");
        Line(card, $"---");
        Line(card, $"# {config.Provenance.GetValueOrDefault("model", "Vision Transformer")}, cut by SnapViT");
        Line(card, $"");
        const string removed = "its least important attention heads and neurons were removed, without retraining";
        Line(card, $"A sub-network of a pretrained Vision Transformer: {removed}.");
        Line(card, $"The licence and the limits of the model it was cut from hold for it as well.");
        Line(card, $"");
        Line(card, $"| | this model | uncut |");
        Line(card, $"|---|---|---|");
        Line(card, $"| parameters | {CostModel.Parameters(a, widths)} | {CostModel.Parameters(a, a.FullWidths)} |");
        Line(card, $"| FLOPs per image | {CostModel.Flops(a, widths)} | {CostModel.Flops(a, a.FullWidths)} |");
        Line(card, $"| heads | {widths.Total(Axis.Heads)} | {a.Depth * a.Heads} |");
        Line(card, $"| neurons | {widths.Total(Axis.Neurons)} | {a.Depth * a.MlpDim} |");
        Line(card, $"");
        Line(card, $"Input: {a.ImageSize} x {a.ImageSize} pixels; {config.Preprocessing?.Describe() ?? "preprocessing unknown"}.");
        Line(card, $"Accuracy is not measured when a model is cut: `snapvit eval model.safetensors --test DIR` does.");
        Line(card, $"");
        Section(
            card, "Widths", "block | heads | neurons",
            widths.Select((block, index) => Invariant($"{index} | {block[Axis.Heads]} | {block[Axis.Neurons]}")));
        Section(card, "Provenance", "fact | value", config.Provenance.Select(fact => $"{fact.Key} | {fact.Value}"));
        return card.ToString();
    }

    private static void Section(StringBuilder card, string title, string columns, IEnumerable<string> rows)
    {
        Line(card, $"## {title}");
        Line(card, $"");
        Line(card, $"| {columns} |");
        Line(card, $"|{string.Concat(columns.Split('|').Select(_ => "---|"))}");
        foreach (string row in rows)
        {
            Line(card, $"| {row} |");
        }

        Line(card, $"");
    }

    private static void Line(StringBuilder card, FormattableString text) => card.Append(Invariant(text)).Append('\n');

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
