using CsCheck;
using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests;

/// <summary>Widths as heads and neurons, as tests write them.</summary>
internal static class Widths
{
    public static SubnetWidths Of(params (int Heads, int Neurons)[] blocks) => new(blocks.Select(block => Block(block.Heads, block.Neurons)));

    /// <summary>The same in a model: whole on every axis that is not written.</summary>
    public static SubnetWidths In(this SubnetWidths widths, ViTArchitecture architecture) => new(widths.Select(
        block => architecture.FullBlock.With(Axis.Heads, block[Axis.Heads]).With(Axis.Neurons, block[Axis.Neurons])));

    /// <summary>Widths of any size that an architecture can have: a schedule of tokens never merges more than half of the patches.</summary>
    public static Gen<SubnetWidths> AnyOf(ViTArchitecture a) =>
        Gen.Select(Gen.Int[0, a.Heads], Gen.Int[1, a.HeadDim], Gen.Int[1, a.HeadDim], Gen.Int[0, a.MlpDim], Gen.Double[0, 1]).Array[a.Depth].Select(blocks =>
        {
            List<BlockWidths> widths = [];
            int tokens = a.Tokens;
            foreach ((int heads, int queries, int values, int neurons, double merged) in blocks)
            {
                bool isLast = widths.Count == a.Depth - 1 && a.PooledTokens > 0;
                tokens = !isLast ? tokens - (int)Math.Round(merged * ((tokens - a.PrefixTokens) / 2)) : merged < 0.5 ? tokens : a.PooledTokens;
                widths.Add(new BlockWidths
                {
                    [Axis.Heads] = heads, [Axis.QueryKeyDims] = a.Position == PositionEmbedding.Rotary ? 2 * ((queries + 1) / 2) : queries, [Axis.ValueDims] = values, [Axis.Tokens] = tokens, [Axis.Neurons] = neurons,
                });
            }

            return new SubnetWidths(widths);
        });

    public static BlockWidths Block(int heads, int neurons) => new() { [Axis.Heads] = heads, [Axis.Neurons] = neurons };
}
