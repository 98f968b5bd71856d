using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;

namespace SnapViT.Export;

/// <summary>What an ONNX family consists of.</summary>
/// <param name="Shared">The file of the weights that all graphs share.</param>
/// <param name="SharedBytes">Its size.</param>
/// <param name="Members">The graphs.</param>
public sealed record OnnxFamilyFiles(string Shared, long SharedBytes, IReadOnlyList<OnnxFamilyMember> Members)
{
    /// <summary>Bytes of all files together, the index left out.</summary>
    public long TotalBytes => SharedBytes + Members.Sum(member => member.GraphBytes + member.OwnBytes);
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
