using SnapViT.Core.Architecture;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>
/// Rotary position embedding as DINOv3 has it: patch tokens only, coordinates of patch centres per axis in [-1, 1], computed in float32.
/// </summary>
internal static class RotaryEmbedding
{
    /// <summary>Cosine and sine [P, d] of angle <c>2 pi coordinate / period</c>, row coordinate's periods first, repeated for both halves.</summary>
    public static (Tensor Cos, Tensor Sin) Table(ViTArchitecture architecture, Device device)
    {
        int grid = architecture.Grid, width = architecture.HeadDim, quarter = width / 4;
        float[] angles = new float[architecture.Patches * width];
        for (int patch = 0; patch < architecture.Patches; patch++)
        {
            float[] centre = [Centre(patch / grid, grid), Centre(patch % grid, grid)];
            for (int i = 0; i < width / 2; i++)
            {
                float period = MathF.Pow((float)architecture.RotaryBase, 2f * (i % quarter) / (width / 2f));
                float angle = 2 * MathF.PI * centre[i / quarter] / period;
                angles[(patch * width) + i] = angle;
                angles[(patch * width) + i + (width / 2)] = angle;
            }
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor table = tensor(angles, [architecture.Patches, width], device: device);
        return (table.cos().DetachFromDisposeScope(), table.sin().DetachFromDisposeScope());
    }

    /// <summary>Rotates the patch tokens of queries or keys [B, A, N, d]; prefix tokens stay as they are.</summary>
    public static Tensor Rotate(Tensor x, Tensor cos, Tensor sin)
    {
        using DisposeScope scope = NewDisposeScope();
        long patches = cos.shape[0], prefix = x.shape[2] - patches, half = x.shape[3] / 2;
        Tensor before = x.narrow(2, 0, prefix);
        Tensor patch = x.narrow(2, prefix, patches).to(ScalarType.Float32);
        Tensor turned = cat([patch.narrow(3, half, half).neg(), patch.narrow(3, 0, half)], -1);
        Tensor rotated = (patch * cos).Plus(turned * sin).to(x.dtype);
        return cat([before, rotated], 2).MoveToOuterDisposeScope();
    }

    private static float Centre(int index, int grid) => (2 * (index + 0.5f) / grid) - 1;
}
