using System.Diagnostics;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Tests.Loading;

/// <summary>Whole files of models, cut and with bytes flipped, in both containers: one named refusal within a second, or exactly the model that was written.</summary>
[LeakCheck]
public sealed class HostileFileTests : IDisposable
{
    private const long MostBytes = 1L << 26;

    private static readonly ViTArchitecture Small = SmallModels.Vit with { Depth = 1 };
    private static readonly ModelHints Hints = new() { Heads = Small.Heads };

    private readonly string _folder = Directory.CreateTempSubdirectory("snapvit-hostile-").FullName;
    private readonly Dictionary<string, byte[]> _tensors = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_model_cut_at_every_hundredth_of_its_length_is_refused(bool torch)
    {
        byte[] whole = Write(torch);
        Assert.True(LoadsAsWrittenOrIsRefused(whole));
        for (int hundredth = 0; hundredth < 100; hundredth++)
        {
            Assert.False(LoadsAsWrittenOrIsRefused(whole.AsSpan(0, whole.Length * hundredth / 100)), $"{hundredth} %");
        }
    }

    /// <summary>In a zip also the first byte of every tensor, which has a checksum there; safetensors has none.</summary>
    [Theory]
    [InlineData(false, 0x01)]
    [InlineData(false, 0xff)]
    [InlineData(true, 0x01)]
    public void A_model_with_any_byte_of_its_header_or_under_a_checksum_flipped_is_refused_or_loads_as_it_was_written(bool torch, byte mask)
    {
        byte[] whole = Write(torch);
        bool[] skipped = new bool[whole.Length];
        foreach (byte[] tensor in _tensors.Values)
        {
            int at = whole.AsSpan().IndexOf(tensor);
            Assert.True(at >= 0);
            skipped.AsSpan(at + (torch ? 1 : 0), tensor.Length - (torch ? 1 : 0)).Fill(true);
        }

        int refused = 0, flipped = skipped.Count(skip => !skip);
        for (int i = 0; i < whole.Length; i++)
        {
            if (!skipped[i])
            {
                whole[i] ^= mask;
                refused += LoadsAsWrittenOrIsRefused(whole) ? 0 : 1;
                whole[i] ^= mask;
            }
        }

        Assert.InRange(refused, flipped / 4, flipped);
    }

    private byte[] Write(bool torch)
    {
        using VisionTransformer model = SmallModels.Create(Small);
        using var scope = NewDisposeScope();
        IReadOnlyList<TensorToWrite> tensors = CheckpointTensors.Of(model);
        foreach (TensorToWrite tensor in tensors)
        {
            using MemoryStream content = new();
            tensor.Write(content);
            _tensors.Add(tensor.Entry.Name, content.ToArray());
        }

        string path = Path.Combine(_folder, "whole");
        if (torch)
        {
            TorchArchiveWriter.WriteStateDict(path, tensors);
        }
        else
        {
            SafetensorsWriter.Write(path, tensors);
        }

        return File.ReadAllBytes(path);
    }

    private bool LoadsAsWrittenOrIsRefused(ReadOnlySpan<byte> content)
    {
        string path = Path.Combine(_folder, "hostile");
        File.WriteAllBytes(path, content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch watch = Stopwatch.StartNew();
        try
        {
            using LoadedModel loaded = ModelFile.Load(path, Hints);
            Assert.Equal(Small, loaded.Model.Architecture);
            using var scope = NewDisposeScope();
            Assert.All(CheckpointTensors.Of(loaded.Model), tensor =>
            {
                using MemoryStream read = new();
                tensor.Write(read);
                Assert.True(read.ToArray().AsSpan().SequenceEqual(_tensors[tensor.Entry.Name]), tensor.Entry.Name);
            });
            return true;
        }
        catch (CheckpointFormatException refusal)
        {
            Assert.DoesNotContain('\n', refusal.Message);
            return false;
        }
        finally
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(1), $"took {watch.Elapsed}");
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
        }
    }
}
