using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;

namespace SnapViT.Export;

/// <summary>What an ONNX family consists of.</summary>
/// <param name="Shared">The file of the weights that all graphs share.</param>
/// <param name="SharedBytes">Its size.</param>
/// <param name="Members">The graphs.</param>
public sealed record OnnxFamilyFiles(string Shared, long SharedBytes, IReadOnlyList<OnnxFamilyMember> Members)
{
    /// <summary>The file of the weights that all graphs share.</summary>
    internal const string SharedFile = "weights.data";

    /// <summary>The list of the graphs, in JSON.</summary>
    internal const string IndexFile = "family.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>Bytes of all files together, the index left out.</summary>
    public long TotalBytes => SharedBytes + Members.Sum(member => member.GraphBytes + member.OwnBytes);

    /// <summary>The folder of a family, given that or its list; null for any other path.</summary>
    internal static string? FolderOf(string path)
    {
        if (Directory.Exists(path))
        {
            return File.Exists(Path.Combine(path, IndexFile)) ? path : null;
        }

        return Path.GetFileName(path) == IndexFile && File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path)) : null;
    }

    /// <summary>Reads the list of a family.</summary>
    /// <exception cref="CheckpointFormatException">It is damaged, or a file that it names is not there.</exception>
    internal static OnnxFamilyFiles Read(string folder)
    {
        string index = Path.Combine(folder, IndexFile);
        OnnxFamilyFiles? files;
        try
        {
            files = JsonSerializer.Deserialize<OnnxFamilyFiles>(File.ReadAllBytes(index), Json);
        }
        catch (JsonException exception)
        {
            throw new CheckpointFormatException(
                index,
                $"expected the list of an ONNX family, found: {exception.Message.ReplaceLineEndings(" ")}",
                innerException: exception);
        }

        if (files is not { Shared: not null, Members: not null }
            || files.Members.Any(member => member is not { Graph: not null, Blocks: not null }))
        {
            throw new CheckpointFormatException(index, "expected the list of an ONNX family, found one without its files");
        }

        IEnumerable<string> names = files.Members
            .SelectMany(member => new[] { member.Graph, member.Own })
            .Prepend(files.Shared).OfType<string>();
        return names.FirstOrDefault(name => !File.Exists(Path.Combine(folder, name))) is string missing
            ? throw new CheckpointFormatException(index, $"expected {missing} beside it, found no such file")
            : files;
    }

    /// <summary>Writes the list of a family into its folder, atomically.</summary>
    internal void Write(string folder) =>
        AtomicFile.Write(Path.Combine(folder, IndexFile), stream => JsonSerializer.Serialize(stream, this, Json));
}

/// <summary>One sub-network of a family.</summary>
/// <param name="Graph">Its graph's file.</param>
/// <param name="GraphBytes">The size of that.</param>
/// <param name="Own">The file of the tensors that it shares with no other; null when there are none.</param>
/// <param name="OwnBytes">The size of that; 0 when there is none.</param>
/// <param name="Parameters">Its learned parameters.</param>
/// <param name="Flops">Its FLOPs per image.</param>
/// <param name="Blocks">What every block keeps.</param>
public sealed record OnnxFamilyMember(
    string Graph, long GraphBytes, string? Own, long OwnBytes, long Parameters, long Flops, IReadOnlyList<BlockWidths> Blocks)
{
    internal static OnnxFamilyMember Of(string folder, string graph, string? own, SubnetPlan plan) => new(
        graph, Length(folder, graph), own, own is null ? 0 : Length(folder, own), plan.Parameters, plan.Flops, plan.Widths);

    private static long Length(string folder, string file) => new FileInfo(Path.Combine(folder, file)).Length;
}
