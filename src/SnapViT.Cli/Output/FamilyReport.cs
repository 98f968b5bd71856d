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
            Table table = Report.Table("graph", "parameters", "FLOPs", "bytes of its own");
            foreach (OnnxFamilyMember member in files.Members)
            {
                table.AddRow(member.Graph, Figures.Count(member.Parameters), Figures.Count(member.Flops), $"{Figures.Count(member.GraphBytes + member.OwnBytes)}B");
            }

            console.Write(table);
            console.WriteLine($"{folder}: {Figures.Count(files.TotalBytes)}B in all, {Figures.Count(files.SharedBytes)}B of them the weights that all graphs share");
        });
}
