using SnapViT.Core.Randomness;
using SnapViT.Data;

namespace SnapViT.Cli.Demo;

/// <summary>Generated training images, normalised.</summary>
/// <param name="Values">[B, 3, S, S].</param>
/// <param name="Labels">[B].</param>
internal sealed record GeneratedBatch(float[] Values, long[] Labels)
{
    /// <summary>Draws the batch of one step; every image has its own stream, so that threads do not matter.</summary>
    public static GeneratedBatch Draw(ulong seed, Difficulty difficulty, int step, int size)
    {
        const int Pixels = ShapeTextureImages.Side * ShapeTextureImages.Side;
        float[] values = new float[size * 3 * Pixels];
        long[] labels = new long[size];
        for (int image = 0; image < size; image++)
        {
            SeededRandom random = SeededRandom.ForPurpose(seed, $"demo training/{step}/{image}");
            int label = random.NextInt(ShapeTextureImages.Classes);
            labels[image] = label;
            byte[] rgb = ShapeTextureImages.Draw(label, random, difficulty);
            DemoModel.Preprocessing.Apply(new RgbImage(ShapeTextureImages.Side, ShapeTextureImages.Side, rgb))
                .CopyTo(values, image * 3 * Pixels);
        }

        return new GeneratedBatch(values, labels);
    }
}
