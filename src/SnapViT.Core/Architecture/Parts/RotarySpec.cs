namespace SnapViT.Core.Architecture.Parts;

/// <summary>
/// Rotary positions as DINOv3 has them: patch tokens only, coordinates of patch centres per axis in [-1, 1], computed in float32. They have
/// no parameters.
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

    private static float Period(ViTArchitecture a, int i) => MathF.Pow((float)a.RotaryBase, 2f * i / (a.HeadDim / 2f));

    private static float Centre(int index, int grid) => (2 * (index + 0.5f) / grid) - 1;
}
