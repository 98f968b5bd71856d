using System.Globalization;

namespace SnapViT.Core.Architecture.Parts;

/// <summary>One pre-norm block: <c>x + ls1 attention(norm1 x)</c>, then <c>x + ls2 mlp(norm2 x)</c>.</summary>
internal sealed class BlockSpec
{
    /// <summary>One block.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="widths">What it keeps.</param>
    public BlockSpec(ViTArchitecture architecture, int block, BlockWidths widths)
    {
        Block = block;
        Norm1 = new NormSpec(Norm1Name(block), architecture, block);
        Attention = new AttentionSpec(architecture, block, widths);
        LayerScale1 = LayerScale(LayerScale1Name(block));
        Norm2 = new NormSpec(Layer(block, "norm2"), architecture, block);
        Mlp = MlpSpec.OfBlock(architecture, block, widths[Axis.Neurons]);
        LayerScale2 = LayerScale(Tensor(block, "ls2.gamma"));

        ParameterSpec? LayerScale(string name) =>
            architecture.HasLayerScale ? new(name, [architecture.EmbedDim], ParameterRole.LayerScale) { Block = block } : null;
    }

    /// <summary>Its index, 0..L-1.</summary>
    public int Block { get; }

    /// <summary>The norm before attention.</summary>
    public NormSpec Norm1 { get; }

    /// <summary>Attention.</summary>
    public AttentionSpec Attention { get; }

    /// <summary>Scale of attention's output, [D]; null where the model has none.</summary>
    public ParameterSpec? LayerScale1 { get; }

    /// <summary>The norm before the MLP.</summary>
    public NormSpec Norm2 { get; }

    /// <summary>The MLP.</summary>
    public MlpSpec Mlp { get; }

    /// <summary>Scale of the MLP's output, [D]; null where the model has none.</summary>
    public ParameterSpec? LayerScale2 { get; }

    /// <summary>The layers whose inputs pruning removes, which a correction re-fits, in the order of the forward pass.</summary>
    public IEnumerable<LinearSpec> PrunedInputs =>
        new[] { Attention.Qkv, Attention.Proj, Mlp.First, Mlp.Gated, Mlp.Last }
            .OfType<LinearSpec>()
            .Where(layer => layer.Weight.PrunedInputs.Count > 0);

    /// <summary>The tensors, in the order of the forward pass.</summary>
    public IEnumerable<ParameterSpec> Parameters =>
    [
        .. Norm1.Parameters, .. Attention.Parameters, .. Scale(LayerScale1), .. Norm2.Parameters, .. Mlp.Parameters, .. Scale(LayerScale2),
    ];

    /// <summary>The name of the norm before attention, which every block has.</summary>
    public static LayerName Norm1Name(int block) => Layer(block, "norm1");

    /// <summary>The name of the scale of attention's output.</summary>
    public static string LayerScale1Name(int block) => Tensor(block, "ls1.gamma");

    /// <summary>The name of a layer of a block.</summary>
    internal static LayerName Layer(int block, string name) => new(Tensor(block, name));

    private static string Tensor(int block, string name) => string.Create(CultureInfo.InvariantCulture, $"blocks.{block}.{name}");

    private static ParameterSpec[] Scale(ParameterSpec? scale) => scale is null ? [] : [scale];
}
