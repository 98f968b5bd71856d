using System.Globalization;
using SnapViT.Core.Architecture;

namespace SnapViT.Elastic;

/// <summary>Which axis of a block's tensor the pruning of heads or neurons shortens. The one place that knows which rows a head owns.</summary>
/// <param name="Block">Block, 0..L-1.</param>
/// <param name="OfHeads">Whether the axis runs over heads; else over neurons.</param>
/// <param name="Dimension">The axis of the tensor in model layout.</param>
/// <param name="Unit">Elements of the axis that one head or neuron owns.</param>
internal readonly record struct PrunedAxis(int Block, bool OfHeads, int Dimension, int Unit)
{
    private static readonly string[] NeuronRows = ["mlp.fc1.weight", "mlp.fc1.bias", "mlp.w1.weight", "mlp.w1.bias", "mlp.w2.weight", "mlp.w2.bias"];
    private static readonly string[] NeuronColumns = ["mlp.fc2.weight", "mlp.w3.weight"];

    /// <summary>The pruned axis of the tensor of that canonical name, or null where pruning leaves it as it is.</summary>
    public static PrunedAxis? Of(string name, ViTArchitecture architecture)
    {
        string[] parts = name.Split('.', 3);
        if (parts.Length < 3 || parts[0] != "blocks")
        {
            return null;
        }

        int block = int.Parse(parts[1], CultureInfo.InvariantCulture);
        return parts[2] switch
        {
            "attn.qkv.weight" or "attn.qkv.bias" => new PrunedAxis(block, OfHeads: true, Dimension: 0, Unit: 1),
            "attn.proj.weight" => new PrunedAxis(block, OfHeads: true, Dimension: 1, Unit: architecture.HeadDim),
            string rest when NeuronRows.Contains(rest) => new PrunedAxis(block, OfHeads: false, Dimension: 0, Unit: 1),
            string rest when NeuronColumns.Contains(rest) => new PrunedAxis(block, OfHeads: false, Dimension: 1, Unit: 1),
            _ => null,
        };
    }

    /// <summary>Elements of the axis that a block of those widths keeps.</summary>
    public long KeptLength(SubnetWidths widths) => (long)Unit * (OfHeads ? widths[Block].Heads : widths[Block].Neurons);
}
