namespace SnapViT.Core.Architecture.Parts;

/// <summary>Multi-head self-attention of one block: <c>proj(softmax(q k^T / sqrt(d)) v)</c>.</summary>
internal sealed class AttentionSpec
{
    /// <summary>The attention of one block.</summary>
    /// <param name="architecture">The unpruned model.</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="widths">What the block keeps.</param>
    public AttentionSpec(ViTArchitecture architecture, int block, BlockWidths widths)
    {
        long embedDim = architecture.EmbedDim;
        (Heads, QueryKeyDims, ValueDims) = (widths[Axis.Heads], widths[Axis.QueryKeyDims], widths[Axis.ValueDims]);
        int[] parts = [QueryKeyDims, QueryKeyDims, ValueDims];
        Qkv = LinearSpec.Matrix(QkvName(block), (long)Heads * parts.Sum(), embedDim, architecture.HasQkvBias)
            .WithLayout(new ParameterLayout(parts))
            .PruningOutputs(Axis.Heads)
            .PruningOutputs(Axis.QueryKeyDims, dimension: 2, or: Axis.ValueDims)
            .In(block, BlockLinear.Qkv);
        Proj = LinearSpec.Matrix(ProjName(block), embedDim, (long)Heads * ValueDims)
            .WithWeightLayout(ParameterLayout.Columns(ValueDims))
            .PruningInputs(Axis.Heads)
            .PruningInputs(Axis.ValueDims, dimension: 2)
            .In(block, BlockLinear.Proj);
    }

    /// <summary>Heads that the block keeps.</summary>
    public int Heads { get; }

    /// <summary>Dimensions of a head's queries and keys that it keeps.</summary>
    public int QueryKeyDims { get; }

    /// <summary>Dimensions of a head's values that it keeps.</summary>
    public int ValueDims { get; }

    /// <summary>
    /// Queries, keys and values in one layer: weight [A (2 q + v), D] in a checkpoint, [A, 3, max(q, v), D] in a model, with q dimensions
    /// of queries and keys and v of values in a head; both are d in the unpruned model.
    /// </summary>
    public LinearSpec Qkv { get; }

    /// <summary>The output projection: weight [D, A v] in a checkpoint, [D, A, v] in a model.</summary>
    public LinearSpec Proj { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters => [.. Qkv.Parameters, .. Proj.Parameters];

    /// <summary>The name of the fused layer.</summary>
    public static LayerName QkvName(int block) => BlockSpec.Layer(block, "attn.qkv");

    /// <summary>The name of the output projection.</summary>
    public static LayerName ProjName(int block) => BlockSpec.Layer(block, "attn.proj");

    /// <summary>
    /// FLOPs over N tokens of which M are asked for: <c>2DA (qM + qN + vN) + 2A (q + v) MN + 3AMN + 2DAvM</c>.
    /// </summary>
    /// <param name="a">The model.</param>
    /// <param name="widths">What the block keeps.</param>
    /// <param name="tokens">Tokens that enter the block, N.</param>
    /// <param name="queries">Tokens whose output is wanted, M; N but in a last block.</param>
    public static long Flops(ViTArchitecture a, BlockWidths widths, long tokens, long queries)
    {
        long heads = widths[Axis.Heads], q = widths[Axis.QueryKeyDims], v = widths[Axis.ValueDims], pairs = queries * tokens;
        long ofHead = 2L * a.EmbedDim * (q + v) * (queries + tokens);
        return heads * (ofHead + (2 * (q + v) * pairs) + (3 * pairs));
    }

    /// <summary>Parameters that the heads own: their query, key and value rows with biases and their columns of the projection.</summary>
    /// <param name="a">The model.</param>
    /// <param name="widths">What the block keeps.</param>
    public static long PrunableParameters(ViTArchitecture a, BlockWidths widths)
    {
        long rows = (2L * widths[Axis.QueryKeyDims]) + widths[Axis.ValueDims], ofRow = a.EmbedDim + (a.HasQkvBias ? 1 : 0);
        return widths[Axis.Heads] * ((rows * ofRow) + ((long)widths[Axis.ValueDims] * a.EmbedDim));
    }

    /// <summary>
    /// FLOPs of finding the pairs that are merged, 0 where none is: the products of the keys of even with odd patch tokens, a sort, and
    /// what the class token attends to. A block without heads compares tokens as attention would see them.
    /// </summary>
    /// <param name="a">The model.</param>
    /// <param name="widths">What the block keeps.</param>
    /// <param name="tokens">Tokens that enter the block.</param>
    /// <param name="left">Tokens that leave it.</param>
    public static long MatchingFlops(ViTArchitecture a, BlockWidths widths, long tokens, long left)
    {
        long patches = tokens - a.PrefixTokens, odd = patches / 2, even = patches - odd;
        long sort = even * (long)Math.Ceiling(Math.Log2(Math.Max(2, even)));
        long heads = widths[Axis.Heads], width = heads == 0 ? a.EmbedDim : heads * widths[Axis.QueryKeyDims];
        long attention = heads > 0 && a.PrefixTokens > 0 ? 2 * width * tokens : 0;
        return left == tokens ? 0 : (2 * even * odd * width) + sort + attention;
    }
}
