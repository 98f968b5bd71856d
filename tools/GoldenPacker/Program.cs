using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using SnapViT.Tests;
using SnapViT.Tools.GoldenPacker;

// Packs what tests read of the golden numbers: GoldenPacker SHARED OUT, where SHARED holds golden/ and official/ and OUT is tests/Golden.
// The same input gives the same packs. tests/Golden/README.md says where the numbers are from.
const int LargestPack = 3_000_000;
if (args.Length != 2 || !Directory.Exists(Path.Combine(args[0], "golden")))
{
    Console.Error.WriteLine("usage: GoldenPacker SHARED OUT, where SHARED holds the folders golden and official");
    return 1;
}

(string shared, string output) = (args[0], args[1]);
Dictionary<string, (string Path, int Segment)> known = [];
IEnumerable<string> files = new[] { "golden", "official" }
    .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(shared, folder), "*", SearchOption.AllDirectories))
    .Select(path => Path.GetRelativePath(shared, path).Replace('\\', '/'))
    .Where(Selection.Keeps)
    .Order(StringComparer.Ordinal);
long total = 0;
Directory.CreateDirectory(output);
foreach (string old in Directory.EnumerateFiles(output, "*.pack"))
{
    File.Delete(old);
}

foreach (IGrouping<string, string> group in files.GroupBy(PackOf).OrderBy(group => group.Key, StringComparer.Ordinal))
{
    using MemoryStream pack = new();
    GoldenPack.Write(pack, [.. group.Select(path => Segments(path, File.ReadAllBytes(Path.Combine(shared, path))))], known);
    if (pack.Length > LargestPack)
    {
        Console.Error.WriteLine($"{group.Key}: expected at most {LargestPack} bytes, found {pack.Length}");
        return 1;
    }

    File.WriteAllBytes(Path.Combine(output, group.Key), pack.ToArray());
    Console.WriteLine($"{pack.Length,9} {group.Key}");
    total += pack.Length;
}

Console.WriteLine($"{total,9} in all");
return 0;

// One pack per folder below golden, one for the files beside those folders, one for the score files.
static string PackOf(string path) => path.Split('/') is ["golden", string folder, _, ..] ? $"{folder}.pack" : $"{path.Split('/')[0]}.pack";

static GoldenFile Segments(string path, byte[] content) => path.EndsWith(".safetensors", StringComparison.Ordinal)
    ? new GoldenFile(path, Tensors(path, content))
    : new GoldenFile(path, [Smallest(content, path.EndsWith(".pt", StringComparison.Ordinal) && content.Length % 4 == 0 ? 4 : 1)]);

// The kept tensors behind a header of their own; the header as it is, where all of them are kept.
static List<GoldenSegment> Tensors(string path, byte[] content)
{
    int headerEnd = sizeof(ulong) + (int)BinaryPrimitives.ReadUInt64LittleEndian(content);
    using JsonDocument header = JsonDocument.Parse(content.AsMemory(sizeof(ulong)..headerEnd));
    JsonProperty[] all = [.. header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__")];
    JsonProperty[] kept = [.. all.Where(entry => Selection.Keeps(path, entry.Name))];
    (string Name, string Type, long[] Shape, GoldenSegment Data)[] tensors =
    [
        .. kept.Select(entry => Tensor(path, entry, content.AsSpan(headerEnd)))
            .OrderBy(tensor => tensor.Type switch { "F64" or "I64" => 0, "F32" => 1, _ => 2 }),
    ];
    if (kept.Length == all.Length)
    {
        // Written by the official library: its own header, its own order.
        IEnumerable<GoldenSegment> inOrder = all.OrderBy(entry => entry.Value.GetProperty("data_offsets")[0].GetInt64())
            .Select(entry => tensors.Single(tensor => tensor.Name == entry.Name).Data);
        return [new GoldenSegment(content[..headerEnd], 1), .. inOrder];
    }

    return [new GoldenSegment(Header(header.RootElement, tensors), 1), .. tensors.Select(tensor => tensor.Data)];
}

static (string Name, string Type, long[] Shape, GoldenSegment Data) Tensor(string path, JsonProperty entry, ReadOnlySpan<byte> data)
{
    string type = entry.Value.GetProperty("dtype").GetString()!;
    long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())];
    JsonElement offsets = entry.Value.GetProperty("data_offsets");
    byte[] bytes = data[offsets[0].GetInt32()..offsets[1].GetInt32()].ToArray();
    if (!Selection.IsImage(path, entry.Name))
    {
        return (entry.Name, type, shape, Smallest(bytes, type is "U8" or "BOOL" ? 1 : type is "F32" ? 4 : 8));
    }

    bool planar = shape[0] == 3;
    byte[] pixels = planar ? Interleaved(bytes, (int)(shape[1] * shape[2])) : bytes;
    int height = (int)shape[planar ? 1 : 0];
    long[] digests = GoldenSet.RowDigests(pixels, height);
    return ($"{entry.Name}.rows", "I64", [height], new GoldenSegment([.. digests.SelectMany(BitConverter.GetBytes)], 1));
}

static byte[] Interleaved(byte[] planes, int area) => [.. Enumerable.Range(0, planes.Length).Select(i => planes[(i % 3 * area) + (i / 3)])];

static byte[] Header(JsonElement old, IEnumerable<(string Name, string Type, long[] Shape, GoldenSegment Data)> tensors)
{
    using MemoryStream text = new();
    using (Utf8JsonWriter json = new(text))
    {
        json.WriteStartObject();
        if (old.TryGetProperty("__metadata__", out JsonElement metadata))
        {
            json.WritePropertyName("__metadata__");
            metadata.WriteTo(json);
        }

        int offset = 0;
        foreach ((string name, string type, long[] shape, GoldenSegment data) in tensors)
        {
            json.WritePropertyName(name);
            JsonSerializer.Serialize(json, new { dtype = type, shape, data_offsets = new[] { offset, offset + data.Bytes.Length } });
            offset += data.Bytes.Length;
        }

        json.WriteEndObject();
    }

    string padded = Encoding.UTF8.GetString(text.ToArray()).PadRight((int)(text.Length + 7) / 8 * 8);
    return [.. BitConverter.GetBytes((ulong)padded.Length), .. Encoding.UTF8.GetBytes(padded)];
}

// As elements or as plain bytes, whichever packs smaller.
static GoldenSegment Smallest(byte[] bytes, int width) =>
    new[] { width, 1 }.Distinct().Select(candidate => new GoldenSegment(bytes, candidate)).MinBy(PackedSize)!;

static long PackedSize(GoldenSegment segment)
{
    using MemoryStream pack = new();
    GoldenPack.Write(pack, [new GoldenFile("", [segment])], []);
    return pack.Length;
}
