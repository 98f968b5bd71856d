using System.Globalization;
using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Schema;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Export;

/// <summary>
/// Features of images as a file: safetensors, NumPy's <c>.npy</c> with the names in a text file beside it, or Parquet with a row an image.
/// </summary>
internal static class FeatureFile
{
    private const string Npy = ".npy", Parquet = ".parquet", Names = ".names.txt";
    private const int RowsOfGroup = 1000;

    /// <summary>The files that are written for a path.</summary>
    public static IReadOnlyList<string> FilesOf(string path) => Is(path, Npy) ? [path, path + Names] : [path];

    /// <summary>Writes the features, each file atomically.</summary>
    /// <param name="path">The file; its ending says the format: <c>.npy</c>, <c>.parquet</c>, else safetensors.</param>
    /// <param name="features">Float32 [n, ...] on the CPU.</param>
    /// <param name="names">The names of the images, n.</param>
    /// <param name="labels">Their classes by name or number, null for one without; null where they are not wanted.</param>
    /// <param name="metadata">What safetensors and Parquet say about the whole file.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="SnapViTException">Names of files have line ends, which a list of lines cannot hold.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Save(
        string path,
        Tensor features,
        IReadOnlyList<string> names,
        IReadOnlyList<string?>? labels,
        IReadOnlyDictionary<string, string> metadata)
    {
        if (Is(path, Npy))
        {
            SaveNpy(path, features, names, labels);
        }
        else if (Is(path, Parquet))
        {
            AtomicFile.Write(path, stream => WriteParquet(stream, features, names, labels, metadata).GetAwaiter().GetResult());
        }
        else
        {
            Dictionary<string, string> all = new(metadata) { ["names"] = JsonSerializer.Serialize(names) };
            if (labels is not null)
            {
                all["labels"] = JsonSerializer.Serialize(labels);
            }

            SafetensorsWriter.Write(path, [ArchiveTensors.ToWrite("features", features)], all);
        }

        return FilesOf(path);
    }

    private static bool Is(string path, string ending) => path.EndsWith(ending, StringComparison.OrdinalIgnoreCase);

    /// <summary>Version 1.0 of the format; names, and classes after a tab, are lines of a file beside it.</summary>
    private static void SaveNpy(string path, Tensor features, IReadOnlyList<string> names, IReadOnlyList<string?>? labels)
    {
        const int alignment = 64, begin = 10;
        string shape = string.Join(", ", features.shape.Select(size => size.ToString(CultureInfo.InvariantCulture)));
        string header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}{(features.shape.Length == 1 ? "," : "")}), }}";
        int length = ((begin + header.Length + 1 + alignment - 1) / alignment * alignment) - begin;
        byte[] padded = Encoding.ASCII.GetBytes(header.PadRight(length - 1) + "\n");
        byte[] start = [0x93, .. "NUMPY"u8, 1, 0, (byte)length, (byte)(length >> 8), .. padded];
        if (names.FirstOrDefault(name => name.AsSpan().IndexOfAny('\n', '\r', '\t') >= 0) is string odd)
        {
            throw new SnapViTException(
                ErrorKind.File, $"{path}{Names}: expected names in one line each, found '{odd}'; write Parquet instead");
        }

        AtomicFile.Write(path, stream =>
        {
            stream.Write(start);
            ArchiveTensors.ToWrite("features", features).Write(stream);
        });
        string lines = string.Concat(names.Select((name, i) => labels is null ? $"{name}\n" : $"{name}\t{labels[i]}\n"));
        AtomicFile.Write(path + Names, stream => stream.Write(Encoding.UTF8.GetBytes(lines)));
    }

    /// <summary>Columns <c>name</c>, <c>label</c> where it is wanted, and <c>features</c>: a list of the values of an image.</summary>
    private static async Task WriteParquet(
        Stream stream,
        Tensor features,
        IReadOnlyList<string> names,
        IReadOnlyList<string?>? labels,
        IReadOnlyDictionary<string, string> metadata)
    {
        DataField name = new("name", typeof(string), isNullable: false), label = new("label", typeof(string), isNullable: true);
        DataField value = new("element", typeof(float), isNullable: false);
        ListField list = new("features", value);
        ParquetSchema schema = labels is null ? new(name, list) : new(name, label, list);
        int each = (int)(features.numel() / Math.Max(1, names.Count));
        ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            writer.CustomMetadata = new Dictionary<string, string>(metadata)
            {
                ["shape"] = string.Join(',', features.shape.Skip(1)),
            };
            for (int first = 0; first < names.Count; first += RowsOfGroup)
            {
                int count = Math.Min(RowsOfGroup, names.Count - first);
                using Tensor part = features.narrow(0, first, count), contiguous = part.contiguous();
                float[] values = contiguous.data<float>().ToArray();
                int[] defined = new int[values.Length], repeated = new int[values.Length];
                Array.Fill(defined, value.MaxDefinitionLevel);
                for (int i = 0; i < values.Length; i++)
                {
                    repeated[i] = i % each == 0 ? 0 : 1;
                }

                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                await group.WriteAsync(name, [.. names.Skip(first).Take(count)]).ConfigureAwait(false);
                if (labels is not null)
                {
                    await group.WriteAsync(label, [.. labels.Skip(first).Take(count).Select(text => text!)]).ConfigureAwait(false);
                }

                await group.WriteAllPartsAsync<float>(value, values, defined.AsMemory(), repeated.AsMemory(), default)
                    .ConfigureAwait(false);
            }
        }
    }
}
