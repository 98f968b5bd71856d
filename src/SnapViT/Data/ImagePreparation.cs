namespace SnapViT.Data;

/// <summary>How a decoded image becomes values. Consumers that share one of these get values that were made once.</summary>
internal sealed class ImagePreparation
{
    /// <summary>A preparation of its own.</summary>
    /// <param name="shape">Shape of one prepared image, such as [3, S, S].</param>
    /// <param name="apply">A decoded image, with its name, to values of that shape; called on background threads, several at once.</param>
    public ImagePreparation(IReadOnlyList<long> shape, Func<string, RgbImage, float[]> apply)
    {
        Shape = [.. shape];
        Length = checked((int)shape.Aggregate(1L, (product, side) => checked(product * side)));
        Apply = apply;
    }

    /// <summary>Shape of one prepared image.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Values of one prepared image.</summary>
    public int Length { get; }

    /// <summary>How long the short side of a decoded image must at least be; the default wants images as they are.</summary>
    public int LeastSide { get; init; } = int.MaxValue;

    /// <summary>The values that each channel's bytes become, ascending, [3][256]; null where an image has others.</summary>
    public IReadOnlyList<float[]>? Levels { get; init; }

    /// <summary>A decoded image, with its name, to values.</summary>
    public Func<string, RgbImage, float[]> Apply { get; }

    /// <summary>Whole images as a model's input, [3, S, S].</summary>
    public static ImagePreparation Whole(Preprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        long side = preprocessing.Validated().Side;
        return new ImagePreparation([3, side, side], (_, image) => preprocessing.Apply(image))
        {
            LeastSide = preprocessing.LeastSide, Levels = preprocessing.Levels,
        };
    }

    /// <summary>Crops for the self-supervised loss, [V, 3, S, S].</summary>
    public static ImagePreparation Crops(MultiCrop crops)
    {
        ArgumentNullException.ThrowIfNull(crops);
        return new ImagePreparation([crops.Views, 3, crops.Side, crops.Side], crops.Apply);
    }

    /// <summary>Random views for second moments, [V, 3, S, S].</summary>
    public static ImagePreparation Views(RandomViews views)
    {
        ArgumentNullException.ThrowIfNull(views);
        return new ImagePreparation([views.Count, 3, views.Side, views.Side], views.Apply);
    }
}
