using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;
using SnapViT.Onnx;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What an ONNX file holds: what every runtime sees, and of a graph of this program the model too.</summary>
internal static class OnnxReport
{
    public static Report Of(string path, OnnxFile file, FlopConvention convention)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        string[] missing = [.. file.DataFiles.Where(name => !File.Exists(Path.Combine(folder, name)))];
        Report? model = file.Metadata.TryGetValue(ModelConfig.MetadataKey, out string? json)
            ? ModelReport.Of(path, Describe(path, json), convention)
            : null;
        return new Report(
            new
            {
                File = path,
                Kind = "onnx",
                file.Producer,
                file.Opset,
                file.Precision,
                file.Weights,
                file.Nodes,
                file.Inputs,
                file.Outputs,
                file.DataFiles,
                MissingFiles = missing,
                Model = model?.Json,
            },
            console =>
            {
                string by = file.Producer.Length > 0 ? $" by {file.Producer}" : "";
                string origin = model is null ? ", none of 'snapvit cut' or 'snapvit export'" : "";
                console.WriteLine(
                    $"{path}: ONNX graph{by}, opset {file.Opset}, {file.Nodes} nodes, "
                    + $"{Figures.Count(file.Weights)} weights, most in {file.Precision}{origin}");
                foreach (OnnxValue input in file.Inputs)
                {
                    console.WriteLine($"input {input}");
                }

                foreach (OnnxValue output in file.Outputs)
                {
                    console.WriteLine($"output {output}");
                }

                if (file.DataFiles.Count > 0)
                {
                    console.WriteLine(
                        "weights beside it: "
                        + string.Join(", ", file.DataFiles.Select(name => missing.Contains(name) ? $"{name} (missing)" : name)));
                }

                model?.Render(console);
            });
    }

    private static ModelDescription Describe(string path, string json)
    {
        try
        {
            ModelConfig config = ModelConfig.FromJson(json);
            return new ModelDescription(config.Architecture, config.Widths(), [("all", "the config in the graph")])
            {
                Preprocessing = config.Preprocessing,
                Provenance = config.Provenance,
            };
        }
        catch (FormatException exception)
        {
            throw new CheckpointFormatException(path, exception.Message, innerException: exception);
        }
    }
}
