using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Tests;

/// <summary>Tensors of one golden file beside the checkout, and the golden timm_vit model.</summary>
internal sealed class Golden : IDisposable
{
    private readonly SafetensorsReader _archive;

    private Golden(string path) => _archive = SafetensorsReader.Open(path);

    /// <summary>Opens <c>../shared/golden/…</c>, or skips the test.</summary>
    public static Golden Open(params string[] parts) => new(SharedFolder.Require(["golden", .. parts]));

    /// <summary>The golden timm_vit: 4 blocks, width 48, 4 heads of 12, 192 neurons, image 32, patch 8, 10 classes.</summary>
    public static LoadedModel TimmVit() => ModelFile.Load(SharedFolder.Require("golden", "timm_vit", "model.safetensors"), heads: 4);

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
