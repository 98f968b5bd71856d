using SnapViT.Core.Architecture;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>
/// Position embeddings for another image size, resampled as timm does it: bicubic and antialiased over the grid of patches; those of the
/// tokens before it stay.
/// </summary>
internal static class PositionTable
{
    /// <summary>A table [1, prefix + g*g, D] of one grid to a new one of another, [1, prefix + h*h, D], float32.</summary>
    /// <param name="table">The table in the file.</param>
    /// <param name="inFile">The architecture at the size of the file.</param>
    /// <param name="grid">Patches per side of the new table.</param>
    public static Tensor Resample(Tensor table, ViTArchitecture inFile, int grid)
    {
        using DisposeScope scope = NewDisposeScope();
        long prefix = table.shape[1] - inFile.Patches, width = table.shape[2];
        Tensor image = table.narrow(1, prefix, inFile.Patches).reshape(1, inFile.Grid, inFile.Grid, width).permute(0, 3, 1, 2).contiguous();
        Tensor resized = nn.functional.interpolate(
            image, size: [grid, grid], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true);
        Tensor patches = resized.permute(0, 2, 3, 1).reshape(1, (long)grid * grid, width);
        return cat([table.narrow(1, 0, prefix), patches], 1).MoveToOuterDisposeScope();
    }
}
