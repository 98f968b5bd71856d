namespace SnapViT.Data;

public sealed partial record Preprocessing
{
    private const int Channels = 3;

    /// <summary>Resizes, crops and normalises one image.</summary>
    /// <param name="image">The decoded image.</param>
    /// <returns>Values [3, S, S].</returns>
    /// <exception cref="ArgumentException">A fact of this preprocessing is impossible.</exception>
    public float[] Apply(RgbImage image)
    {
        (ResizedAxis columns, ResizedAxis rows) = Window(image);
        float[] values = new float[Channels * Side * Side];
        if (ResizeInFloat)
        {
            Normalise(Resampler.ResizeFloat(image, columns, rows, Interpolation), values);
        }
        else
        {
            Normalise(Resampler.Resize(image, columns, rows, Interpolation), values);
        }

        return values;
    }

    /// <summary>Normalises pixels that already have the input size.</summary>
    /// <param name="image">An image of S x S pixels.</param>
    /// <param name="values">Receives [3, S, S].</param>
    internal void Normalise(RgbImage image, Span<float> values)
    {
        Span<float> ofByte = stackalloc float[byte.MaxValue + 1];
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int value = 0; value < ofByte.Length; value++)
            {
                ofByte[value] = Normalised(value, channel);
            }

            for (int target = channel * Side * Side, source = channel; source < image.Pixels.Length; target++, source += Channels)
            {
                values[target] = ofByte[image.Pixels[source]];
            }
        }
    }

    /// <summary>What remains after resize and centre crop: S pixels of both axes.</summary>
    internal (ResizedAxis Columns, ResizedAxis Rows) Window(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        Validated();
        long shortSide = Math.Min(image.Width, image.Height);
        return (Axis(image.Width), Axis(image.Height));

        ResizedAxis Axis(int length)
        {
            long resized = Mode == ResizeMode.Squash ? Side : (long)ResizeTo * length / shortSide;
            return new ResizedAxis(length, resized, (long)Math.Round((resized - Side) / 2.0, MidpointRounding.ToEven), Side);
        }
    }

    private void Normalise(float[] pixels, Span<float> values)
    {
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int target = channel * Side * Side, source = channel; source < pixels.Length; target++, source += Channels)
            {
                values[target] = Normalised(pixels[source], channel);
            }
        }
    }

    private float Normalised(float value, int channel) => ((value / 255f) - Mean[channel]) / Std[channel];
}
