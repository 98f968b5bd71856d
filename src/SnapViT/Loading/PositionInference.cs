using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Loading;

/// <summary>Which tokens a table of positions is for, by its length: what remains without them is a square of patches.</summary>
internal static class PositionInference
{
    /// <summary>Kind of positions and patches per side.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="facts">What the shapes say; it has a table of positions.</param>
    /// <param name="imageSize">The size that a config says, which decides where two readings are possible.</param>
    /// <exception cref="CheckpointFormatException">No reading is possible, or two are.</exception>
    public static (PositionEmbedding Kind, int Grid) Infer(string path, ShapeFacts facts, int? imageSize)
    {
        long positions = facts.Positions!.Value;
        (PositionEmbedding Kind, long Without)[] kinds = facts.Registers > 0 && facts.HasClassToken
            ? [
                (PositionEmbedding.AllTokens, facts.PrefixTokens),
                (PositionEmbedding.ClassAndPatches, facts.PrefixTokens - facts.Registers),
                (PositionEmbedding.PatchesOnly, 0),
            ]
            : facts.PrefixTokens > 0 ? [(PositionEmbedding.AllTokens, facts.PrefixTokens), (PositionEmbedding.PatchesOnly, 0)]
            : [(PositionEmbedding.PatchesOnly, 0)];
        (PositionEmbedding Kind, int Grid)[] readings =
        [
            .. kinds.Select(kind => (kind.Kind, Grid: Root(positions - kind.Without)))
                .Where(reading => reading.Grid is > 0 && reading.Grid <= int.MaxValue / facts.PatchSize)
                .Select(reading => (reading.Kind, reading.Grid!.Value)),
        ];
        if (readings.Length > 1 && imageSize is int size)
        {
            readings = [.. readings.Where(reading => (long)reading.Grid * facts.PatchSize == size)];
        }

        return readings is [(PositionEmbedding, int) only]
            ? only
            : throw new CheckpointFormatException(
                path,
                readings.Length == 0
                    ? $"expected positions of a square of patches and of up to {facts.PrefixTokens} tokens before them, found {positions}"
                    : $"{positions} positions can be of "
                        + $"{string.Join(" or of ", readings.Select(reading => $"{reading.Grid}x{reading.Grid} patches"))}; "
                        + "a config.json beside the file decides it",
                TokensSpec.PositionsName);
    }

    private static int? Root(long patches)
    {
        int root = patches > 0 ? (int)Math.Sqrt(patches) : 0;
        return (long)root * root == patches ? root : null;
    }
}
