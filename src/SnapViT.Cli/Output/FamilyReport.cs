using SnapViT.Core.Architecture;
using SnapViT.Export;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What an ONNX family consists of.</summary>
internal static class FamilyReport
{
    public static Report Of(string folder, OnnxFamilyFiles files) => new(
        new { Folder = folder, files.Shared, files.SharedBytes, files.TotalBytes, files.Members },
        console =>
        {
            Table table = Report.Table(
                ["graph", "parameters", "FLOPs", "bytes of its own", .. AxisTable.Rows.Select(row => $"{row.Label} per block")]);
            foreach (OnnxFamilyMember member in files.Members)
            {
                string[] widths = [.. AxisTable.Rows.Select(row => Range(member.Blocks.Select(block => block[row.Axis])))];
                table.AddRow(
                [
                    member.Graph,
                    Figures.Count(member.Parameters),
                    Figures.Count(member.Flops),
                    Figures.Bytes(member.GraphBytes + member.OwnBytes),
                    .. widths,
                ]);
            }

            console.Write(table);
            console.WriteLine(
                $"{folder}: {Figures.Bytes(files.TotalBytes)} in all, "
                + $"{Figures.Bytes(files.SharedBytes)} of them the weights that all graphs share");
        });

    private static string Range(IEnumerable<int> widths)
    {
        int[] all = [.. widths];
        return all.Length == 0 ? "-"
            : all.Min() == all.Max() ? Figures.Invariant($"{all.Min()}")
            : Figures.Invariant($"{all.Min()}-{all.Max()}");
    }
}
