using System.Buffers.Binary;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Tests;

/// <summary>Checkpoints made wrong on purpose: a good file with something changed.</summary>
internal static class CheckpointEdits
{
    /// <summary>Rewrites a safetensors file with other tensors.</summary>
    public static string WithTensors(string path, Action<OrderedDictionary<string, TensorToWrite>> edit, bool keepMetadata = true)
    {
        OrderedDictionary<string, TensorToWrite> tensors = [];
        Dictionary<string, string> metadata;
        using (SafetensorsReader archive = SafetensorsReader.Open(path))
        {
            metadata = keepMetadata ? archive.Metadata.ToDictionary() : [];
            foreach (TensorEntry entry in archive.Tensors.Values)
            {
                byte[] bytes = new byte[entry.ByteLength];
                archive.Read(entry.Name, bytes);
                tensors.Add(entry.Name, new TensorToWrite(entry.Name, entry.Type, entry.Shape, stream => stream.Write(bytes)));
            }
        }

        edit(tensors);
        SafetensorsWriter.Write(path, tensors.Values, metadata);
        return path;
    }

    /// <summary>Puts a value into one element of a tensor of singles.</summary>
    public static string WithValue(string path, string name, int index, float value) => WithTensors(path, tensors =>
    {
        using MemoryStream content = new();
        tensors[name].Write(content);
        BinaryPrimitives.WriteSingleLittleEndian(content.GetBuffer().AsSpan(index * sizeof(float)), value);
        byte[] bytes = content.ToArray();
        tensors[name] = new TensorToWrite(name, TensorType.Float32, tensors[name].Entry.Shape, stream => stream.Write(bytes));
    });

    /// <summary>Gives a tensor another shape, filled with ones.</summary>
    public static string WithShape(string path, string name, params long[] shape) =>
        WithTensors(path, tensors => tensors[name] = Ones(name, shape));

    public static TensorToWrite Ones(string name, params long[] shape) =>
        TensorToWrite.From(name, Enumerable.Repeat(1f, (int)shape.Aggregate(1L, (product, side) => product * side)).ToArray(), shape);

    /// <summary>Cuts a file to a share of its length.</summary>
    public static string CutShort(string path, double share)
    {
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole.AsSpan(0, (int)(whole.Length * share)));
        return path;
    }

    /// <summary>A file that says its header has so many bytes.</summary>
    public static string WithHeaderLength(string path, ulong length)
    {
        byte[] whole = File.ReadAllBytes(path);
        BinaryPrimitives.WriteUInt64LittleEndian(whole, length);
        File.WriteAllBytes(path, whole);
        return path;
    }
}
