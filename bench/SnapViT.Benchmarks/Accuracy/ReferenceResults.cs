using System.Text.Json;

namespace SnapViT.Benchmarks.Accuracy;

/// <summary>The reference's own figures for the same work.</summary>
internal static class ReferenceResults
{
    public static IReadOnlyList<MethodResult> Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        return [.. document.RootElement.GetProperty("rows").EnumerateArray().Select(row => new MethodResult(
            row.GetProperty("corrected").GetBoolean() ? "reference, corrected" : "reference",
            row.GetProperty("mlp").GetDouble(),
            row.GetProperty("heads").GetDouble(),
            row.GetProperty("top1").GetDouble(),
            null,
            row.GetProperty("knn_cifar10").GetDouble(),
            row.GetProperty("knn_eurosat").GetDouble()))];
    }
}
