using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests;

/// <summary>Widths as heads and neurons, as tests write them.</summary>
internal static class Widths
{
    public static SubnetWidths Of(params (int Heads, int Neurons)[] blocks) => new(blocks.Select(block => Block(block.Heads, block.Neurons)));

    /// <summary>The same in a model: whole on every axis that is not written.</summary>
    public static SubnetWidths In(this SubnetWidths widths, ViTArchitecture architecture) => new(widths.Select(
        block => architecture.FullBlock.With(Axis.Heads, block[Axis.Heads]).With(Axis.Neurons, block[Axis.Neurons])));

    public static BlockWidths Block(int heads, int neurons) => new() { [Axis.Heads] = heads, [Axis.Neurons] = neurons };
}
