using SnapViT.Core.Planning;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>
/// The use of a sub-network of a <see cref="SubnetPool"/>. Until this is disposed the sub-network stays valid, whatever the pool does
/// meanwhile; any number of leases share one sub-network.
/// </summary>
public sealed class SubnetLease : IDisposable
{
    private readonly Subnet _subnet;
    private Action? _giveBack;

    internal SubnetLease(Subnet subnet, Action giveBack) => (_subnet, _giveBack) = (subnet, giveBack);

    /// <summary>The sub-network. It is the pool's: not to be disposed.</summary>
    /// <exception cref="ObjectDisposedException">The lease has ended.</exception>
    public VisionTransformer Model
    {
        get
        {
            ObjectDisposedException.ThrowIf(_giveBack is null, this);
            return _subnet.Model;
        }
    }

    /// <summary>Widths, parameters and FLOPs of the sub-network.</summary>
    public SubnetPlan Plan => _subnet.Plan;

    /// <inheritdoc cref="VisionTransformer.Embed"/>
    public Tensor Embed(Tensor images) => Model.Embed(images);

    /// <inheritdoc cref="VisionTransformer.Logits"/>
    public Tensor Classify(Tensor images) => Model.Logits(images);

    /// <summary>Ends the lease; a second time does nothing.</summary>
    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
