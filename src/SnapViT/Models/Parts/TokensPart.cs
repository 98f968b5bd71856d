using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Onnx;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models.Parts;

/// <summary>The learned tokens before the patch tokens, and learned positions.</summary>
internal sealed class TokensPart(ViTWeights weights, TokensSpec spec)
{
    private const string OnnxTable = "token_table";

    private readonly ViTArchitecture _architecture = weights.Architecture;
    private readonly Tensor? _classToken = weights.Find(spec.ClassToken);
    private readonly Tensor? _distillationToken = weights.Find(spec.DistillationToken);
    private readonly Tensor? _registers = weights.Find(spec.Registers);
    private readonly Tensor? _positions = weights.Find(spec.Positions);

    /// <summary>
    /// Patches [B, P, D] with their positions in their places behind the prefix tokens: [B, N, D], affine in the patches.
    /// </summary>
    public Tensor Forward(Tensor patches)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = _architecture.Position switch
        {
            PositionEmbedding.AllTokens => WithPrefix(patches, registers: true).Plus(_positions!),
            PositionEmbedding.PatchesOnly => WithPrefix(patches.Plus(_positions!), registers: true),
            PositionEmbedding.ClassAndPatches => InsertRegisters(WithPrefix(patches, registers: false).Plus(_positions!)),
            _ => WithPrefix(patches, registers: true).alias(),
        };
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Patches [batch, P, D] to [batch, N, D]: the patches in their places plus one table of everything that does not depend on the image,
    /// which is what comes of patches of zeros.
    /// </summary>
    public string Forward(OnnxGraph graph, string patches)
    {
        string placed = graph.PadRows(patches, _architecture.PrefixTokens);
        return graph.Add(placed, graph.Weights.Table(OnnxTable, () =>
            Forward(zeros(1, _architecture.Patches, _architecture.EmbedDim, device: weights.Device))));
    }

    private Tensor WithPrefix(Tensor patches, bool registers)
    {
        Tensor?[] tokens = [_classToken, _distillationToken, registers ? _registers : null];
        Tensor[] prefix = [.. tokens.OfType<Tensor>().Select(token => token.expand(patches.shape[0], -1, -1))];
        return prefix.Length == 0 ? patches : cat([.. prefix, patches], 1);
    }

    private Tensor InsertRegisters(Tensor x)
    {
        if (_registers is null)
        {
            return x;
        }

        long before = _architecture.PrefixTokens - _architecture.RegisterTokens;
        return cat([x.narrow(1, 0, before), _registers.expand(x.shape[0], -1, -1), x.narrow(1, before, _architecture.Patches)], 1);
    }
}
