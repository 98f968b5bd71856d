using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Runtime;

/// <summary>
/// The files of weights of a family, each read into memory once, and lent to every graph that names them. It is disposed after all sessions
/// are. Thread-safe, but for being disposed.
/// </summary>
internal sealed unsafe class WeightMemory : IDisposable
{
    /// <summary>What the widest vector instructions like best, in bytes.</summary>
    private const int Alignment = 64;

    private readonly Lock _reading = new();
    private readonly Dictionary<string, (nint Start, long Length)> _files = [];
    private readonly List<OrtValue> _lent = [];

    /// <summary>Gives the options of a session all weights of its graph that are in files beside it.</summary>
    /// <param name="session">The options.</param>
    /// <param name="path">The graph.</param>
    /// <exception cref="CheckpointFormatException">The graph is damaged, or names weights that are not there.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public void AddTo(SessionOptions session, string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        lock (_reading)
        {
            foreach (ExternalTensor tensor in ExternalTensors.Of(path))
            {
                // A name without folders: nothing outside the family is read.
                (nint start, long length) = tensor.File == Path.GetFileName(tensor.File) && tensor.File.Length > 0
                    ? Read(Path.Combine(folder, tensor.File))
                    : throw new CheckpointFormatException(path, $"{tensor.Name}: expected weights beside the graph, found '{tensor.File}'");
                if (tensor.Offset < 0 || tensor.Length < 0 || tensor.Offset > length - tensor.Length)
                {
                    throw new CheckpointFormatException(
                        path,
                        $"{tensor.Name}: expected {tensor.Length} bytes at {tensor.Offset} of {tensor.File}, found a file of {length}");
                }

                OrtValue value = OrtValue.CreateTensorValueWithData(
                    OrtMemoryInfo.DefaultInstance,
                    (TensorElementType)tensor.Type,
                    tensor.Shape,
                    start + (nint)tensor.Offset,
                    tensor.Length);
                _lent.Add(value);
                session.AddInitializer(tensor.Name, value);
            }
        }
    }

    public void Dispose()
    {
        _lent.ForEach(value => value.Dispose());
        foreach ((nint start, _) in _files.Values)
        {
            NativeMemory.AlignedFree((void*)start);
        }

        _lent.Clear();
        _files.Clear();
    }

    private (nint Start, long Length) Read(string path)
    {
        if (_files.TryGetValue(path, out (nint Start, long Length) read))
        {
            return read;
        }

        using FileStream file = File.OpenRead(path);
        long length = file.Length;
        nint start = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(length, 1), Alignment);
        try
        {
            using UnmanagedMemoryStream target = new((byte*)start, 0, length, FileAccess.Write);
            file.CopyTo(target, 1 << 20);
            return target.Length == length
                ? _files[path] = (start, length)
                : throw new EndOfStreamException($"{path}: expected {length} bytes, found {target.Length}");
        }
        catch
        {
            NativeMemory.AlignedFree((void*)start);
            throw;
        }
    }
}

/// <summary>A tensor of a graph whose values are in a file beside it.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Type">The number of its element type in the ONNX standard, which is that of ONNX Runtime too.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="File">The file's name.</param>
/// <param name="Offset">Bytes of the file ahead of it.</param>
/// <param name="Length">Its bytes.</param>
internal sealed record ExternalTensor(string Name, int Type, long[] Shape, string File, long Offset, long Length);

/// <summary>
/// Reads from an ONNX file which tensors lie outside of it: of the protocol buffer <c>ModelProto</c> the graph (field 7), of that its
/// initializers (5), and of those what places them (onnx.ai, IR version 8).
/// </summary>
internal static class ExternalTensors
{
    private const int Graph = 7, Initializer = 5;
    private const int Dims = 1, DataType = 2, TensorName = 8, ExternalData = 13, EntryKey = 1, EntryValue = 2;

    /// <summary>The tensors in the order of the graph.</summary>
    /// <exception cref="CheckpointFormatException">The file is damaged.</exception>
    public static IReadOnlyList<ExternalTensor> Of(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        try
        {
            List<ExternalTensor> found = [];
            foreach (Field graph in Fields(bytes).Where(field => field.Number == Graph))
            {
                found.AddRange(Fields(graph.Bytes).Where(field => field.Number == Initializer).Select(Tensor).OfType<ExternalTensor>());
            }

            return found;
        }
        catch (FormatException damaged)
        {
            throw new CheckpointFormatException(
                path, $"expected an ONNX graph of a family, found {damaged.Message}", innerException: damaged);
        }
    }

    /// <summary>A tensor; null for one whose values are in the graph.</summary>
    private static ExternalTensor? Tensor(Field tensor)
    {
        List<long> shape = [];
        Dictionary<string, string> place = [];
        string name = "";
        int type = 0;
        foreach (Field field in Fields(tensor.Bytes))
        {
            switch (field.Number)
            {
                case Dims when field.IsNumber:
                    shape.Add(field.Value);
                    break;
                case Dims:
                    for (int at = 0; at < field.Bytes.Length;)
                    {
                        shape.Add(Varint(field.Bytes.Span, ref at));
                    }

                    break;
                case DataType:
                    type = (int)field.Value;
                    break;
                case TensorName:
                    name = field.Text;
                    break;
                case ExternalData:
                    place[Entry(field, EntryKey)] = Entry(field, EntryValue);
                    break;
            }
        }

        return place.TryGetValue("location", out string? file)
            ? new ExternalTensor(name, type, [.. shape], file, Number("offset"), Number("length"))
            : null;

        long Number(string key) => long.TryParse(
            place.GetValueOrDefault(key, "0"), System.Globalization.CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new FormatException($"the {key} '{place[key]}' of {name}");
    }

    private static string Entry(Field entry, int number) => Fields(entry.Bytes).FirstOrDefault(field => field.Number == number).Text;

    /// <summary>The fields of a message: numbers and blocks of bytes; numbers of fixed width are passed over.</summary>
    private static IEnumerable<Field> Fields(ReadOnlyMemory<byte> message)
    {
        for (int at = 0; at < message.Length;)
        {
            long tag = Varint(message.Span, ref at);
            long length = 0, value = 0;
            switch (tag & 7)
            {
                case 0:
                    value = Varint(message.Span, ref at);
                    break;
                case 1:
                    length = sizeof(long);
                    break;
                case 2:
                    length = Varint(message.Span, ref at);
                    break;
                case 5:
                    length = sizeof(int);
                    break;
                default:
                    throw new FormatException($"a field of kind {tag & 7}");
            }

            if (length < 0 || length > message.Length - at)
            {
                throw new FormatException($"a field of {length} bytes in {message.Length - at}");
            }

            yield return new Field((int)(tag >> 3), (tag & 7) == 0, value, message.Slice(at, (int)length));
            at += (int)length;
        }
    }

    private static long Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (at >= bytes.Length)
            {
                throw new FormatException("its end in the middle of a number");
            }

            byte next = bytes[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return (long)value;
            }
        }

        throw new FormatException("a number of more than 64 bits");
    }

    private readonly record struct Field(int Number, bool IsNumber, long Value, ReadOnlyMemory<byte> Bytes)
    {
        public string Text => System.Text.Encoding.UTF8.GetString(Bytes.Span);
    }
}
