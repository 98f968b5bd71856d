namespace SnapViT.Core.Architecture.Parts;

/// <summary>Multi-head self-attention of one block: <c>proj(softmax(q k^T / sqrt(d)) v)</c>.</summary>
internal sealed class AttentionSpec
{
    private const int QueriesKeysValues = 3;

    /// <summary>The attention of one block.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="heads">Heads that the block keeps, 0..A.</param>
    public AttentionSpec(ViTArchitecture architecture, int block, int heads)
    {
        long width = (long)heads * architecture.HeadDim, embedDim = architecture.EmbedDim;
        Heads = heads;
        Qkv = LinearSpec.Matrix(QkvName(block), QueriesKeysValues * width, embedDim, architecture.HasQkvBias)
            .HeadMajor(QueriesKeysValues, architecture.HeadDim)
            .PruningOutputs(Axis.Heads)
            .In(block, BlockLinear.Qkv);
        Proj = LinearSpec.Matrix(ProjName(block), embedDim, width)
            .PruningInputs(Axis.Heads, architecture.HeadDim)
            .In(block, BlockLinear.Proj);
    }

    /// <summary>Heads that the block keeps.</summary>
    public int Heads { get; }

    /// <summary>Queries, keys and values in one layer: weight [3 A d, D] in a checkpoint, [A, 3, d, D] in a model.</summary>
    public LinearSpec Qkv { get; }

    /// <summary>The output projection: weight [D, A d].</summary>
    public LinearSpec Proj { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => [.. Qkv.Parameters, .. Proj.Parameters];

    /// <summary>The name of the fused layer.</summary>
    public static LayerName QkvName(int block) => BlockSpec.Layer(block, "attn.qkv");

    /// <summary>The name of the output projection.</summary>
    public static LayerName ProjName(int block) => BlockSpec.Layer(block, "attn.proj");

    /// <summary>FLOPs that one head costs over N tokens, <c>8DdN + 4dN^2 + 3N^2</c>.</summary>
    public static long HeadFlops(ViTArchitecture a, long tokens)
    {
        long width = a.HeadDim;
        return (8 * a.EmbedDim * width * tokens) + (4 * width * tokens * tokens) + (3 * tokens * tokens);
    }

    /// <summary>Parameters that one head owns: its query, key and value rows with biases and its columns of the projection.</summary>
    public static long HeadParameters(ViTArchitecture a) => a.HeadDim * ((4L * a.EmbedDim) + (a.HasQkvBias ? QueriesKeysValues : 0));
}
