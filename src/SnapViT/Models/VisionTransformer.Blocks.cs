using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Models;

public sealed partial class VisionTransformer
{
    /// <summary>One pre-norm block: <c>x + attention(norm1 x)</c>, then <c>x + mlp(norm2 x)</c>; [B, N, D] to [B, N, D].</summary>
    internal Tensor Block(Tensor x, int block, IForwardHook? hook)
    {
        using DisposeScope scope = NewDisposeScope();
        BlockWeights w = Weights.Blocks[block];
        x = AddBranch(x, Attention(w, w.Norm1.Apply(x), block, hook), w.LayerScale1);
        return AddBranch(x, Mlp(w, w.Norm2.Apply(x), block, hook), w.LayerScale2).MoveToOuterDisposeScope();
    }

    private static Tensor AddBranch(Tensor x, Tensor branch, Tensor? layerScale) =>
        x.Plus(layerScale is null ? branch : branch * layerScale);

    private Tensor Attention(BlockWeights w, Tensor x, int block, IForwardHook? hook)
    {
        if (w.Widths.Heads == 0)
        {
            return w.Proj.Bias!;
        }

        using DisposeScope scope = NewDisposeScope();
        long batch = x.shape[0], tokens = x.shape[1], heads = w.Widths.Heads, width = Architecture.HeadDim;
        LinearWeights rows = new(w.Qkv.Weight.view(heads * 3 * width, -1), w.Qkv.Bias?.view(-1));
        Tensor input = x.to(rows.Weight.dtype);
        Tensor qkv = rows.Apply(input);
        hook?.Observe(block, BlockLinear.Qkv, input, qkv);
        Tensor heads3 = qkv.view(batch, tokens, heads, 3, width);
        Tensor[] parts = [.. Enumerable.Range(0, 3).Select(part => heads3.select(3, part).transpose(1, 2))];
        if (_rotaryCos is not null)
        {
            parts[0] = RotaryEmbedding.Rotate(parts[0], _rotaryCos, _rotarySin!);
            parts[1] = RotaryEmbedding.Rotate(parts[1], _rotaryCos, _rotarySin!);
        }

        Tensor mixed = ScaledDotProduct.Attend(parts[0], parts[1], parts[2]).transpose(1, 2).reshape(batch, tokens, heads * width);
        Tensor output = w.Proj.Apply(mixed);
        hook?.Observe(block, BlockLinear.Proj, mixed, output);
        return output.MoveToOuterDisposeScope();
    }

    private Tensor Mlp(BlockWeights w, Tensor x, int block, IForwardHook? hook)
    {
        if (w.Widths.Neurons == 0)
        {
            return w.Fc2.Bias!;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor input = x.to(w.Fc1.Weight.dtype);
        Tensor hidden = w.Fc1.Apply(input);
        hook?.Observe(block, BlockLinear.Fc1, input, hidden);
        Tensor active = w.GatedFc1 is null ? Activate(hidden, Architecture.Activation) : F.silu(hidden) * w.GatedFc1.Apply(input);
        Tensor output = w.Fc2.Apply(active);
        hook?.Observe(block, BlockLinear.Fc2, active, output);
        return output.MoveToOuterDisposeScope();
    }

    internal static Tensor Activate(Tensor x, Activation activation) => activation switch
    {
        Activation.GeluErf => F.gelu(x),
        Activation.GeluTanh => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh),
        Activation.QuickGelu => x * sigmoid(x.Times(1.702)),
        _ => throw new InvalidOperationException($"unknown activation {activation}"),
    };
}
