using SnapViT.Core.Planning;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Elastic;

/// <summary>A sub-network cut for one budget: a model and the plan it was cut by. Disposing it never touches the elastic weights.</summary>
public sealed class Subnet : IDisposable
{
    internal Subnet(VisionTransformer model, SubnetPlan plan)
    {
        Model = model;
        Plan = plan;
    }

    /// <summary>The sub-network, owned by this object.</summary>
    public VisionTransformer Model { get; }

    /// <summary>Widths, parameters and FLOPs of the sub-network.</summary>
    public SubnetPlan Plan { get; }

    /// <inheritdoc cref="VisionTransformer.Embed"/>
    public Tensor Embed(Tensor images) => Model.Embed(images);

    /// <inheritdoc cref="VisionTransformer.Logits"/>
    public Tensor Logits(Tensor images) => Model.Logits(images);

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
