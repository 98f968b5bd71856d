using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Parquet;
using Parquet.Schema;
using SkiaSharp;
using SnapViT.Core.Randomness;

namespace SnapViT.Fuzz;

/// <summary>Archives and data sets in their layouts, with bytes changed or cut off; what is compressed is damaged inside as well.</summary>
internal static class DamagedDataSet
{
    private const string Kit = "ILSVRC2012_devkit_t12/data/";

    private static readonly byte[] Photo = DamagedPhoto.Encode(SKEncodedImageFormat.Jpeg);
    private static readonly (string Name, byte[] Content)[] Photos = [("a/1.jpg", Photo), ("a/2.jpg", Photo), ("b/3.jpg", Photo)];
    private static readonly byte[] Records = [.. Enumerable.Range(0, 2 * 3073).Select(i => (byte)(i % 3073 == 0 ? i / 3073 : i))];

    private static readonly (string Name, byte[] Content)[] Files =
    [
        ("photos.zip", Zip()),
        ("photos.tar", Tar(Photos)),
        ("list.csv", "image,label\na,dog\n\"b\"\"\",cat\n"u8.ToArray()),
        ("cifar.tar", Tar([("data_batch_1.bin", Records), ("batches.meta.txt", "x\ny\n"u8.ToArray())])),
        ("cifar-python.tar", Tar([("data_batch_1", Pickle()), ("batches.meta", Encoding.Latin1.GetBytes("\u0080\u0002}U\u000blabel_names](U\u0001xU\u0001yes."))])),
        ("shard.tar", Tar([("1.jpg", Photo), ("1.cls", "7"u8.ToArray()), ("2.jpg", Photo), ("2.json", "{\"label\": 3}"u8.ToArray())])),
        ("train.parquet", WriteParquet().GetAwaiter().GetResult()),
    ];

    /// <summary>Makes an input.</summary>
    public static FuzzInput Create(SeededRandom random)
    {
        if (random.NextInt(8) == 0)
        {
            return Kits(random);
        }

        (string name, byte[] content) = Files[random.NextInt(Files.Length)];
        bool isInside = random.NextInt(4) == 0;
        byte[] damaged = FuzzInput.Damaged(content, content.Length, random);
        if (random.NextInt(3) == 0)
        {
            // Lengths and counts stand as numbers in most headers.
            int at = random.NextInt(Math.Max(1, damaged.Length - 8));
            BinaryPrimitives.WriteInt32LittleEndian(damaged.AsSpan(Math.Min(at, damaged.Length - 4)), random.NextInt(int.MaxValue));
        }

        damaged = random.NextInt(8) == 0 ? damaged[..(1 + random.NextInt(damaged.Length - 1))] : damaged;
        damaged = isInside ? Gzip(damaged) : damaged;
        damaged = isInside && random.NextInt(2) == 0 ? FuzzInput.Damaged(damaged, damaged.Length, random) : damaged;
        return new FuzzInput($"data set {name}", [(isInside ? name + ".gz" : name, damaged)], Expected: null) { Target = FuzzTarget.DataSet };
    }

    /// <summary>Photos to validate beside a development kit whose table is damaged.</summary>
    private static FuzzInput Kits(SeededRandom random)
    {
        byte[] meta = Meta();
        return new FuzzInput(
            "data set with meta.mat",
            [
                ("ILSVRC2012_img_val.tar", Tar([("ILSVRC2012_val_00000001.JPEG", Photo)])),
                (Kit + "meta.mat", FuzzInput.Damaged(meta, meta.Length, random)),
                (Kit + "ILSVRC2012_validation_ground_truth.txt", "1\n"u8.ToArray()),
            ],
            Expected: null)
        {
            Target = FuzzTarget.DataSet,
        };
    }

    private static byte[] Tar((string Name, byte[] Content)[] files)
    {
        using MemoryStream bytes = new();
        using (TarWriter writer = new(bytes, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        return bytes.ToArray();
    }

    private static byte[] Zip()
    {
        using MemoryStream bytes = new();
        using (ZipArchive archive = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in Photos)
            {
                using Stream entry = archive.CreateEntry(name).Open();
                entry.Write(content);
            }
        }

        return bytes.ToArray();
    }

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream bytes = new();
        using (GZipStream writer = new(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            writer.Write(content);
        }

        return bytes.ToArray();
    }

    /// <summary>A batch of two images as Python 2 pickles it.</summary>
    private static byte[] Pickle() =>
    [
        .. Encoding.Latin1.GetBytes(
            "\u0080\u0002}(U\u0006labels](K\u0000K\u0001eU\u0004datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\u0000\u0085U\u0001b\u0087R(K\u0001"
            + "K\u0002M\u0000\u000c\u0086cnumpy\ndtype\nU\u0002u1K\u0000K\u0001\u0087R(K\u0003U\u0001|NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\u0000tb\u0089T"),
        .. BitConverter.GetBytes(2 * 3072), .. Records.AsSpan(0, 2 * 3072), .. "tbu."u8,
    ];

    /// <summary>A table of one synset as MATLAB writes it.</summary>
    private static byte[] Meta()
    {
        byte[] names = [.. new[] { "ILSVRC2012_ID", "WNID", "num_children" }.SelectMany(field => Encoding.ASCII.GetBytes(field.PadRight(16, '\0')))];
        byte[] row =
        [
            .. Matrix(6, 1, "", Element(9, BitConverter.GetBytes(1.0))),
            .. Matrix(4, 9, "", Element(16, "n01440764"u8.ToArray())),
            .. Matrix(6, 1, "", Element(9, BitConverter.GetBytes(0.0))),
        ];
        byte[] header = new byte[128];
        "MATLAB 5.0 MAT-file"u8.CopyTo(header);
        (header[125], header[126], header[127]) = (1, (byte)'I', (byte)'M');
        return [.. header, .. Matrix(2, 1, "synsets", [.. Element(5, BitConverter.GetBytes(16)), .. Element(1, names), .. row])];
    }

    private static byte[] Matrix(int kind, int count, string name, byte[] content) => Element(14,
    [
        .. Element(6, [(byte)kind, 0, 0, 0, 0, 0, 0, 0]),
        .. Element(5, [.. BitConverter.GetBytes(1), .. BitConverter.GetBytes(count)]),
        .. Element(1, Encoding.ASCII.GetBytes(name)),
        .. content,
    ]);

    private static byte[] Element(int type, byte[] data) =>
        [.. BitConverter.GetBytes(type), .. BitConverter.GetBytes(data.Length), .. data, .. new byte[(8 - (data.Length % 8)) % 8]];

    private static async Task<byte[]> WriteParquet()
    {
        ParquetSchema schema = new(
            new StructField("image", new DataField<byte[]>("bytes"), new DataField<string>("path")), new DataField<long>("label"));
        DataField[] fields = schema.GetDataFields();
        using MemoryStream stream = new();
        ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            writer.CustomMetadata = new Dictionary<string, string>
            {
                ["huggingface"] = """{"info": {"features": {"label": {"names": ["x", "y"], "_type": "ClassLabel"}}}}""",
            };
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync(fields[0], [Photo, Photo]).ConfigureAwait(false);
            await group.WriteAsync(fields[1], ["1.jpg", "2.jpg"]).ConfigureAwait(false);
            await group.WriteAsync<long>(fields[2], new long[] { 0, 1 }.AsMemory()).ConfigureAwait(false);
        }

        return stream.ToArray();
    }
}
