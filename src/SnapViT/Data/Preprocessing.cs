using System.Globalization;

namespace SnapViT.Data;

/// <summary>How the side of an image is brought to the model's input size.</summary>
public enum ResizeMode
{
    /// <summary>The short side to <see cref="Preprocessing.ResizeTo"/>, then the centre.</summary>
    ShortSideThenCentre,

    /// <summary>Both sides to the input size, whatever the aspect.</summary>
    Squash,
}

/// <summary>How an image becomes a model's input: facts that belong to a model and are stored with it; compared by value.</summary>
public sealed partial record Preprocessing
{
    /// <summary>Side of the model's input in pixels, S.</summary>
    public required int Side { get; init; }

    /// <summary>Length of the short side after resizing, at least <see cref="Side"/>; unused when squashed.</summary>
    public required int ResizeTo { get; init; }

    /// <summary>How both sides are brought to the input size.</summary>
    public ResizeMode Mode { get; init; } = ResizeMode.ShortSideThenCentre;

    /// <summary>Filter; always antialiased.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Bicubic;

    /// <summary>Whether the resize works on float pixels and is not rounded to 8 bits (DINOv3).</summary>
    public bool ResizeInFloat { get; init; }

    /// <summary>Subtracted per channel from pixels in 0..1; red, green, blue.</summary>
    public IReadOnlyList<float> Mean { get; init; } = ImageNetMean;

    /// <summary>Divides per channel after the mean is subtracted; positive; red, green, blue.</summary>
    public IReadOnlyList<float> Std { get; init; } = ImageNetStd;

    /// <summary>Checks the facts against each other.</summary>
    /// <returns>This preprocessing.</returns>
    /// <exception cref="ArgumentException">A fact is impossible; the message lists all violations.</exception>
    public Preprocessing Validated()
    {
        List<string> faults = [];
        Require(Side > 0, $"{nameof(Side)} must be positive, found {Side}");
        Require(Mode == ResizeMode.Squash || ResizeTo >= Side, $"{nameof(ResizeTo)} must be at least {nameof(Side)} {Side}, found {ResizeTo}");
        Require(Enum.IsDefined(Mode) && Enum.IsDefined(Interpolation), $"unknown {nameof(Mode)} {Mode} or {nameof(Interpolation)} {Interpolation}");
        Require(Mean is { Count: 3 } && Mean.All(float.IsFinite), $"{nameof(Mean)} must be 3 finite numbers");
        Require(Std is { Count: 3 } && Std.All(value => float.IsFinite(value) && value > 0), $"{nameof(Std)} must be 3 positive numbers");
        return faults.Count == 0 ? this : throw new ArgumentException($"impossible preprocessing: {string.Join("; ", faults)}");

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }

    /// <summary>The facts in one line of text.</summary>
    public string Describe()
    {
        string resize = Mode == ResizeMode.Squash ? $"squash to {ResizeTo}" : $"short side to {ResizeTo}, centre {Side}";
        string filter = Interpolation == Interpolation.Bicubic ? "bicubic" : "bilinear";
        return FormattableString.Invariant($"{resize}, {filter}{(ResizeInFloat ? " in float" : "")}, mean {Numbers(Mean)}, std {Numbers(Std)}");

        static string Numbers(IEnumerable<float> values) => string.Join(' ', values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
    }

    /// <inheritdoc/>
    public bool Equals(Preprocessing? other) =>
        other is not null
        && (Side, ResizeTo, Mode, Interpolation, ResizeInFloat) == (other.Side, other.ResizeTo, other.Mode, other.Interpolation, other.ResizeInFloat)
        && Mean.SequenceEqual(other.Mean)
        && Std.SequenceEqual(other.Std);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Side, ResizeTo, Mode, Interpolation, ResizeInFloat, Mean[0], Std[0]);
}
