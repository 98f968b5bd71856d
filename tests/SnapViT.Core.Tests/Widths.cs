using SnapViT.Core.Architecture;

namespace SnapViT.Core.Tests;

/// <summary>Widths as heads and neurons, as tests write them.</summary>
internal static class Widths
{
    public static SubnetWidths Of(params (int Heads, int Neurons)[] blocks) => new(blocks.Select(block => Block(block.Heads, block.Neurons)));

    public static BlockWidths Block(int heads, int neurons) => new() { [Axis.Heads] = heads, [Axis.Neurons] = neurons };
}
