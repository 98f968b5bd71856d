namespace SnapViT.Core.Architecture.Parts;

/// <summary>The MLP of a block or of an attention pool: <c>fc2(act(fc1 x))</c>, or SwiGLU's <c>w3(silu(w1 x) * (w2 x))</c>.</summary>
internal sealed class MlpSpec
{
    private MlpSpec(LinearSpec first, LinearSpec? gated, LinearSpec last, int neurons) =>
        (First, Gated, Last, Neurons) = (first, gated, last, neurons);

    /// <summary>Neurons that are kept.</summary>
    public int Neurons { get; }

    /// <summary>The first layer, <c>fc1</c> or SwiGLU's gate <c>w1</c>: weight [H, D].</summary>
    public LinearSpec First { get; }

    /// <summary>SwiGLU's <c>w2</c>: weight [H, D]; null in a standard MLP.</summary>
    public LinearSpec? Gated { get; }

    /// <summary>The last layer, <c>fc2</c> or SwiGLU's <c>w3</c>: weight [D, H].</summary>
    public LinearSpec Last { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => [.. First.Parameters, .. Gated?.Parameters ?? [], .. Last.Parameters];

    /// <summary>The MLP of one block.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="neurons">Neurons that the block keeps, 0..H.</param>
    public static MlpSpec OfBlock(ViTArchitecture architecture, int block, int neurons)
    {
        MlpKind kind = architecture.Mlp;
        LinearSpec first = In(FirstName(block, kind)).In(block, BlockLinear.Fc1);
        LinearSpec? gated = kind == MlpKind.SwiGlu ? In(BlockSpec.Layer(block, "mlp.w2")).In(block, layer: null) : null;
        LinearSpec last = LinearSpec.Matrix(LastName(block, kind), architecture.EmbedDim, neurons)
            .PruningInputs(Axis.Neurons)
            .In(block, BlockLinear.Fc2);
        return new MlpSpec(first, gated, last, neurons);

        LinearSpec In(LayerName name) => LinearSpec.Matrix(name, neurons, architecture.EmbedDim).PruningOutputs(Axis.Neurons);
    }

    /// <summary>A standard MLP outside the blocks, which is never pruned.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="first">The name of its first layer.</param>
    /// <param name="last">The name of its last layer.</param>
    public static MlpSpec Outside(ViTArchitecture architecture, LayerName first, LayerName last) => new(
        LinearSpec.Matrix(first, architecture.MlpDim, architecture.EmbedDim),
        gated: null,
        LinearSpec.Matrix(last, architecture.EmbedDim, architecture.MlpDim),
        architecture.MlpDim);

    /// <summary>The name of the first layer.</summary>
    public static LayerName FirstName(int block, MlpKind kind) => BlockSpec.Layer(block, kind == MlpKind.SwiGlu ? "mlp.w1" : "mlp.fc1");

    /// <summary>The name of the last layer.</summary>
    public static LayerName LastName(int block, MlpKind kind) => BlockSpec.Layer(block, kind == MlpKind.SwiGlu ? "mlp.w3" : "mlp.fc2");

    /// <summary>FLOPs that one neuron costs over N tokens, <c>4DN</c> or <c>6DN</c>.</summary>
    public static long NeuronFlops(ViTArchitecture a, long tokens) => (a.Mlp == MlpKind.SwiGlu ? 6L : 4L) * a.EmbedDim * tokens;

    /// <summary>Parameters that one neuron owns: its rows with biases and its column.</summary>
    public static long NeuronParameters(ViTArchitecture a) => a.Mlp == MlpKind.SwiGlu ? (3L * a.EmbedDim) + 2 : (2L * a.EmbedDim) + 1;
}
