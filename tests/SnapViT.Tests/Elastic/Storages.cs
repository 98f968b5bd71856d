using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

/// <summary>Memory of weights, every piece counted once however many views lie in it.</summary>
internal static class Storages
{
    /// <summary>Bytes of all pieces of memory in which the float32 weights of some sub-networks lie, as far as they use them.</summary>
    public static long Bytes(params IEnumerable<Subnet> subnets) => Of(subnets).Values.Sum();

    /// <summary>Address and used bytes of every piece.</summary>
    public static Dictionary<nint, long> Of(params IEnumerable<Subnet> subnets)
    {
        Dictionary<nint, long> pieces = [];
        foreach (Tensor tensor in subnets.SelectMany(subnet => subnet.Model.Weights.Tensors.Values).Where(tensor => tensor.numel() > 0))
        {
            long last = tensor.storage_offset() + tensor.shape.Zip(tensor.stride(), (side, step) => (side - 1) * step).Sum();
            nint address = Address(tensor, 0);
            pieces[address] = Math.Max(pieces.GetValueOrDefault(address), (last + 1) * sizeof(float));
        }

        return pieces;
    }

    /// <summary>Where the first element of a tensor lies.</summary>
    public static nint Address(Tensor tensor) => Address(tensor, tensor.storage_offset());

    private static nint Address(Tensor tensor, long offset)
    {
        using Tensor element = tensor.as_strided([1], [1], offset);
        unsafe
        {
            return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(element.bytes));
        }
    }
}
