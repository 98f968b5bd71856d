namespace SnapViT.Core.Architecture.Parts;

/// <summary>
/// Rotary positions as DINOv3 has them: patch tokens only, coordinates of patch centres per axis in [-1, 1], computed in float32. They have
/// no parameters. A position turns every pair of dimensions (i, i + d/2) of queries and keys by an angle of its own, so pairs can be sorted
/// and left out, dimensions cannot: a model with sorted pairs keeps the two dimensions of a pair side by side, and knows for every block
/// which pairs they are.
/// </summary>
internal static class RotarySpec
{
    /// <summary>The periods, [d / 4]: <c>base^(2 i / (d / 2))</c>.</summary>
    public static float[] Periods(ViTArchitecture a) => [.. Enumerable.Range(0, a.HeadDim / 4).Select(i => Period(a, i))];

    /// <summary>The angles <c>2 pi coordinate / period</c>, [P, d]: the row coordinate's periods first, repeated for both halves.</summary>
    public static float[] Angles(ViTArchitecture a)
    {
        int grid = a.Grid, width = a.HeadDim, quarter = width / 4;
        float[] angles = new float[a.Patches * width];
        for (int patch = 0; patch < a.Patches; patch++)
        {
            float[] centre = [Centre(patch / grid, grid), Centre(patch % grid, grid)];
            for (int i = 0; i < width / 2; i++)
            {
                float angle = 2 * MathF.PI * centre[i / quarter] / Period(a, i % quarter);
                angles[(patch * width) + i] = angle;
                angles[(patch * width) + i + (width / 2)] = angle;
            }
        }

        return angles;
    }

    /// <summary>The published dimensions of sorted pairs: of every pair i first i, then i + d/2.</summary>
    /// <param name="pairs">All pairs 0..d/2-1 in their order.</param>
    public static IEnumerable<long> Dims(IReadOnlyList<int> pairs) =>
        pairs.SelectMany(pair => new[] { (long)pair, pair + pairs.Count });

    /// <summary>Whether every head that a model keeps has all pairs, so that they can lie as published.</summary>
    /// <param name="a">The model.</param>
    /// <param name="widths">What every block keeps.</param>
    public static bool IsWhole(ViTArchitecture a, SubnetWidths widths) =>
        widths.All(block => block[Axis.Heads] == 0 || block[Axis.QueryKeyDims] == a.HeadDim);

    /// <summary>What is wrong with the pairs that a model is said to keep; null for nothing.</summary>
    /// <param name="a">The model.</param>
    /// <param name="widths">What every block keeps.</param>
    /// <param name="pairs">
    /// The pairs of every block in the order of its queries and keys, each 0..d/2-1; null where they lie as published, (i, i + d/2).
    /// </param>
    public static string? PairFault(ViTArchitecture a, SubnetWidths widths, IReadOnlyList<IReadOnlyList<int>>? pairs)
    {
        if (pairs is not null && (a.Position != PositionEmbedding.Rotary || pairs.Count != a.Depth))
        {
            return a.Position != PositionEmbedding.Rotary
                ? "rotary pairs: expected none, for this model has no rotary positions"
                : $"rotary pairs: expected those of {a.Depth} blocks, found {pairs.Count}";
        }

        for (int block = 0; block < widths.Count && a.Position == PositionEmbedding.Rotary; block++)
        {
            int kept = widths[block][Axis.Heads] == 0 ? 0 : widths[block][Axis.QueryKeyDims] / 2, all = a.HeadDim / 2;
            if (pairs is null && kept is not 0 && kept < all)
            {
                return $"block {block}: expected the rotary pairs of its {2 * kept} query and key dimensions, found none";
            }

            IReadOnlyList<int>? order = pairs?[block];
            if (pairs is not null && (order is null || order.Count < kept || order.Any(pair => (uint)pair >= all)
                || order.Distinct().Count() < order.Count))
            {
                return $"block {block}: expected at least {kept} different rotary pairs of 0 to {all - 1}, "
                    + $"found [{string.Join(", ", order ?? [])}]";
            }
        }

        return null;
    }

    private static float Period(ViTArchitecture a, int i) => MathF.Pow((float)a.RotaryBase, 2f * i / (a.HeadDim / 2f));

    private static float Centre(int index, int grid) => (2 * (index + 0.5f) / grid) - 1;
}
