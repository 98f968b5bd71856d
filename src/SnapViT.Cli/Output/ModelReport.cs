using SnapViT.Core.Architecture;
using SnapViT.Loading;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>What a model file holds.</summary>
internal static class ModelReport
{
    public static Report Of(string path, ModelDescription description, FlopConvention convention)
    {
        ViTArchitecture a = description.Architecture;
        long parameters = CostModel.Parameters(a, description.Widths), flops = CostModel.Flops(a, description.Widths, convention);
        return new Report(
            new
            {
                File = path,
                Kind = "model",
                Architecture = a,
                Sources = description.Sources.ToDictionary(source => source.Fact, source => source.Source),
                Parameters = parameters,
                Flops = flops,
                Blocks = description.Widths,
                Preprocessing = description.Preprocessing?.Describe(),
                description.PreprocessingDoubt,
                description.ClassNames,
                description.UnusedTensors,
                description.Provenance,
            },
            console =>
            {
                console.WriteLine(
                    $"{path}: Vision Transformer, {a.Depth} blocks of width {a.EmbedDim}, {a.Heads} heads of {a.HeadDim}, "
                    + $"{a.MlpDim} neurons, image {a.ImageSize}, patch {a.PatchSize}, {a.Classes} classes");
                console.WriteLine(
                    $"{Figures.Count(parameters)} parameters{Share(parameters, CostModel.Parameters(a, a.FullWidths))}, "
                    + $"{Figures.Count(flops)} FLOPs per image{Share(flops, CostModel.Flops(a, a.FullWidths, convention))}; preprocessing: "
                    + (description.Preprocessing?.Describe()
                        ?? (description.PreprocessingDoubt is null ? "not in the file" : "in doubt")));
                if (description.PreprocessingDoubt is string doubt)
                {
                    console.WriteLine($"preprocessing in doubt: {doubt}");
                }

                foreach ((string fact, string source) in description.Sources)
                {
                    console.WriteLine($"{fact}: from {source}");
                }

                if (description.UnusedTensors.Count > 0)
                {
                    console.WriteLine($"unused tensors: {description.UnusedTensors.Count}, such as {description.UnusedTensors[0]}");
                }

                console.Write(PlanReport.Blocks(a, description.Widths));
                foreach ((string key, string value) in description.Provenance)
                {
                    console.WriteLine($"{key}: {value}");
                }
            })
        {
            Doubts = description.Assumptions,
        };
    }

    /// <summary>What is left of a model that was cut; nothing for a whole one.</summary>
    private static string Share(long part, long whole) => part == whole ? "" : $" ({Figures.Percent(part / (double)whole)})";
}
