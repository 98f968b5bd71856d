using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Tests;

/// <summary>Tensors of one golden file, and the six golden models.</summary>
internal sealed class Golden : IDisposable
{
    private readonly SafetensorsReader _archive;

    private Golden(string path) => _archive = SafetensorsReader.Open(path);

    /// <summary>Opens <c>golden/…</c> of the set in <c>tests/Golden</c>.</summary>
    public static Golden Open(params string[] parts) => new(SharedFolder.Require(["golden", .. parts]));

    /// <summary>The golden timm_vit: 4 blocks, width 48, 4 heads of 12, 192 neurons, image 32, patch 8, 10 classes.</summary>
    public static LoadedModel TimmVit() => Model("timm_vit");

    /// <summary>The six golden families: 4 blocks, width 48, 192 neurons, image 32, patch 8.</summary>
    public static TheoryData<string> Families { get; } = ["timm_vit", "deit_distilled", "deit3", "siglip2", "dinov3_mlp", "dinov3_swiglu"];

    /// <summary>Whether the golden model of that family has a classifier.</summary>
    public static bool HasClasses(string family) => family is "timm_vit" or "deit_distilled" or "deit3";

    /// <summary>The golden model of a family from its checkpoint with the original names; models so small are none of the known ones, so their heads are said.</summary>
    public static LoadedModel Model(string family) => ModelFile.Load(SharedFolder.Require("golden", family, "model.safetensors"), Hints(family));

    /// <summary>What the checkpoint of a golden family leaves in doubt.</summary>
    public static ModelHints Hints(string family) => new()
    {
        Heads = family == "timm_vit" ? 4 : 6,
        Activation = family == "siglip2" ? Activation.GeluErf : null,
        ImageSize = 32,
    };

    public Tensor Float(string name) => _archive.ReadFloat32(name);

    public float[] Floats(string name) => _archive.ReadFloats(name);

    public double[] Doubles(string name) => _archive.ReadDoubles(name);

    public long[] Longs(string name) => _archive.ReadLongs(name);

    public byte[] Bytes(string name)
    {
        byte[] bytes = new byte[_archive.Tensors[name].ByteLength];
        _archive.Read(name, bytes);
        return bytes;
    }

    public long[] Shape(string name) => [.. _archive.Tensors[name].Shape];

    public IEnumerable<string> Names => _archive.Tensors.Keys;

    public double[,] Matrix(string name)
    {
        long[] shape = Shape(name);
        double[,] matrix = new double[shape[0], shape[1]];
        Buffer.BlockCopy(_archive.ReadDoubles(name), 0, matrix, 0, matrix.Length * sizeof(double));
        return matrix;
    }

    public void Dispose() => _archive.Dispose();
}
