using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Importance;

/// <summary>About the memory that a backward pass takes, mostly what the forward pass keeps for it.</summary>
internal static class ActivationMemory
{
    /// <summary>
    /// Values of a token and block that are kept in the precision of the products, in units of the embed dim: inputs and outputs of qkv,
    /// the heads' queries, keys and values, inputs and outputs of proj, the input of the MLP, and gradients at qkv.
    /// </summary>
    private const int OfEmbedDim = 14;

    /// <summary>The same in units of the MLP's width: before and after the activation, and a gradient; SwiGLU has twice as many.</summary>
    private const int OfMlpDim = 3;

    /// <summary>Values of the residual stream and the norms, which are float32.</summary>
    private const int InFloat32 = 4;

    /// <summary>Bytes that a view of an image takes: the forward pass of the model, and the backward pass to every block.</summary>
    /// <param name="a">The unpruned architecture.</param>
    /// <param name="precision">Precision of the matrix products.</param>
    public static long OfView(ViTArchitecture a, ScalarType precision)
    {
        long bytes = precision == ScalarType.BFloat16 ? 2 : 4;
        long mlp = a.Mlp == MlpKind.SwiGlu ? 2 * OfMlpDim : OfMlpDim;
        long ofToken = (bytes * ((OfEmbedDim * (long)a.EmbedDim) + (mlp * a.MlpDim))) + (InFloat32 * sizeof(float) * (long)a.EmbedDim);

        // Attention weights behind the softmax; the fused kernel of float32 keeps none.
        long attention = precision == ScalarType.BFloat16 ? bytes * a.Heads * a.Tokens : 0;
        return a.Depth * a.Tokens * (ofToken + attention);
    }

    /// <summary>The same where activations are recomputed: tokens before every block, and all of one block.</summary>
    /// <param name="a">The unpruned architecture.</param>
    /// <param name="precision">Precision of the matrix products.</param>
    public static long OfRecomputedView(ViTArchitecture a, ScalarType precision) =>
        (OfView(a, precision) / a.Depth) + (sizeof(float) * (long)a.Depth * a.Tokens * a.EmbedDim);

    /// <summary>Bytes that activations may take where nobody says it: half of the memory of the machine or container.</summary>
    /// <param name="device">Where the network runs: what a GPU has is not known.</param>
    public static long OfMachine(Device device) =>
        device.type == DeviceType.CPU ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 : long.MaxValue;
}
