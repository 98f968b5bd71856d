using System.Globalization;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary>What a sub-network says about itself in every format it is written in.</summary>
internal static class SubnetConfig
{
    public static ModelConfig Of(LoadedModel model, ElasticScores scores, SubnetPlan plan, Preprocessing preprocessing, string correction) => new()
    {
        Architecture = plan.Architecture,
        Heads = [.. plan.Widths.Select(block => block.Heads)],
        Neurons = [.. plan.Widths.Select(block => block.Neurons)],
        Preprocessing = preprocessing,
        Provenance = new SortedDictionary<string, string>(scores.Provenance.ToDictionary(), StringComparer.Ordinal)
        {
            [ElasticScores.ModelHash] = model.Sha256,
            ["model"] = Path.GetFileName(model.Path),
            ["removed"] = plan.Removed.ToString(),
            ["cut_correction"] = correction,
            ["parameters"] = plan.Parameters.ToString(CultureInfo.InvariantCulture),
            ["flops"] = plan.Flops.ToString(CultureInfo.InvariantCulture),
        },
    };
}
