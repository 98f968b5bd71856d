using System.Globalization;
using SnapViT.Core.Randomness;

namespace SnapViT.Cli.Demo;

/// <summary>How hard generated images are to classify.</summary>
/// <param name="LeastNoise">Least standard deviation of the pixels' noise, of values 0..1.</param>
/// <param name="MoreNoise">Largest standard deviation above the least.</param>
/// <param name="Contrast">Contrast of the image before noise, 0..1.</param>
internal sealed record Difficulty(double LeastNoise, double MoreNoise, double Contrast)
{
    /// <summary>
    /// What the demo scores and tests on: noisier and paler than what the model learned from, so that the whole model makes mistakes
    /// already and what is cut costs something.
    /// </summary>
    public static Difficulty Demo { get; } = new(0.2, 0.35, 0.65);

    private static Difficulty Easy { get; } = new(0.03, 0.09, 1);

    private static Difficulty Hard { get; } = new(0.1, 0.3, 0.75);

    /// <summary>
    /// Difficulty of a training step: easy images first, from which alone a network of random weights learns, then harder ones, and
    /// the hardest from the middle on.
    /// </summary>
    /// <param name="done">Share of the training that is done, 0..1.</param>
    public static Difficulty Training(double done)
    {
        double harder = Math.Clamp((done - 0.25) / 0.25, 0, 1);
        return new Difficulty(
            Between(Easy.LeastNoise, Hard.LeastNoise), Between(Easy.MoreNoise, Hard.MoreNoise), Between(Easy.Contrast, Hard.Contrast));

        double Between(double easy, double hard) => easy + (harder * (hard - easy));
    }
}

/// <summary>
/// Images drawn by arithmetic from a seed: one shape filled with one texture, on a cluttered background, of random place, size, angle and
/// colour. Eight shapes times four textures are 32 classes; neither shape nor texture alone tells them apart.
/// </summary>
internal static class ShapeTextureImages
{
    /// <summary>Side of an image in pixels.</summary>
    public const int Side = 64;

    /// <summary>About the mean of all pixels, which contrast leaves as it is.</summary>
    private const double MeanValue = 0.4;

    /// <summary>Number of classes.</summary>
    public static int Classes => Shapes.Length * Textures.Length;

    private static readonly (string Name, Func<double, double, double> Distance)[] Shapes =
    [
        ("disc", (x, y) => Length(x, y) - 0.9),
        ("ring", (x, y) => Math.Abs(Length(x, y) - 0.72) - 0.28),
        ("square", (x, y) => Math.Max(Math.Abs(x), Math.Abs(y)) - 0.8),
        ("frame", (x, y) => Math.Abs(Math.Max(Math.Abs(x), Math.Abs(y)) - 0.62) - 0.26),
        ("triangle", (x, y) => Math.Max((Math.Abs(x) * 0.866) + (y * 0.5), -y) - 0.55),
        ("cross", (x, y) => Math.Max(Math.Min(Math.Abs(x), Math.Abs(y)) - 0.3, Math.Max(Math.Abs(x), Math.Abs(y)) - 0.95)),
        ("corner", (x, y) => Math.Max(Math.Max(Math.Abs(x), Math.Abs(y)) - 0.9, Math.Min(x + 0.2, -y + 0.2))),
        ("crescent", (x, y) => Math.Max(Length(x, y) - 0.95, 0.75 - Length(x - 0.5, y))),
    ];

    private static readonly (string Name, Func<double, double, double> Value)[] Textures =
    [
        ("plain", (_, _) => 0.5),
        ("striped", (u, _) => Math.Sin(u) > 0 ? 1 : 0),
        ("checked", (u, v) => Math.Sin(0.7 * u) * Math.Sin(0.7 * v) > 0 ? 1 : 0),
        ("dotted", (u, v) => Math.Sin(u) + Math.Sin(v) > 0.9 ? 1 : 0),
    ];

    /// <summary>
    /// The folder of a class, such as "00-disc-plain": the number keeps folders, which are sorted by name, in the order of the classes.
    /// </summary>
    public static string Folder(int label) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{label:D2}-{Shapes[label / Textures.Length].Name}-{Textures[label % Textures.Length].Name}");

    /// <summary>What a class shows, such as "disc, striped".</summary>
    public static string Name(int label) => $"{Shapes[label / Textures.Length].Name}, {Textures[label % Textures.Length].Name}";

    private static double Length(double x, double y) => Math.Sqrt((x * x) + (y * y));

    /// <summary>Draws one image.</summary>
    /// <param name="label">Its class, 0..<see cref="Classes"/>-1.</param>
    /// <param name="random">Everything else of it.</param>
    /// <param name="difficulty">How noisy and how pale it is.</param>
    /// <returns>RGB bytes, row by row, [Side, Side, 3].</returns>
    public static byte[] Draw(int label, SeededRandom random, Difficulty difficulty)
    {
        Func<double, double, double> distance = Shapes[label / Textures.Length].Distance;
        Func<double, double, double> texture = Textures[label % Textures.Length].Value;
        Placement shape = Placement.Draw(random);
        Pattern pattern = Pattern.Draw(random);
        Pattern clutter = Pattern.Draw(random);
        Func<double, double, double> clutterTexture = Textures[random.NextInt(Textures.Length)].Value;
        double noise = difficulty.LeastNoise + (difficulty.MoreNoise * random.NextDouble());
        byte[] pixels = new byte[Side * Side * 3];
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                double inside = Math.Clamp(0.5 - (distance(shape.X(x, y), shape.Y(x, y)) * shape.Radius), 0, 1);
                double filled = texture(pattern.U(x, y), pattern.V(x, y));
                double behind = 0.5 + (0.25 * (clutterTexture(clutter.U(x, y), clutter.V(x, y)) - 0.5));
                for (int channel = 0; channel < 3; channel++)
                {
                    double front = pattern.Dark[channel] + ((pattern.Light[channel] - pattern.Dark[channel]) * filled);
                    double back = clutter.Dark[channel] + ((clutter.Light[channel] - clutter.Dark[channel]) * behind);
                    // The shape is lighter than what is behind it: a network this small does not find figure and ground otherwise.
                    double drawn = (inside * (0.3 + (0.7 * front))) + ((1 - inside) * 0.45 * back);
                    double value = MeanValue + (difficulty.Contrast * (drawn - MeanValue)) + (noise * random.NextNormal());
                    pixels[(((y * Side) + x) * 3) + channel] = (byte)Math.Clamp((value * 255) + 0.5, 0, 255);
                }
            }
        }

        return pixels;
    }

    /// <summary>Where a shape stands: pixel to shape coordinates, in which a shape is about 1 in radius.</summary>
    private sealed record Placement(double CentreX, double CentreY, double Radius, double Cos, double Sin)
    {
        public static Placement Draw(SeededRandom random)
        {
            double radius = Side * (0.24 + (0.14 * random.NextDouble()));
            double angle = Math.PI * ((random.NextDouble() * 0.25) - 0.125);
            return new Placement(NearCentre(random), NearCentre(random), radius, Math.Cos(angle), Math.Sin(angle));
        }

        public double X(int x, int y) => (((x - CentreX) * Cos) + ((y - CentreY) * Sin)) / Radius;

        public double Y(int x, int y) => (((y - CentreY) * Cos) - ((x - CentreX) * Sin)) / Radius;

        private static double NearCentre(SeededRandom random) => (0.5 * Side) + (0.2 * Side * (random.NextDouble() - 0.5));
    }

    /// <summary>How a texture is laid: its frequency, angle, phase and two colours.</summary>
    private sealed record Pattern(double Frequency, double Cos, double Sin, double Phase, double[] Dark, double[] Light)
    {
        public static Pattern Draw(SeededRandom random)
        {
            double angle = Math.PI * ((random.NextDouble() * 0.25) - 0.125);
            double frequency = 2 * Math.PI / (6 + (3 * random.NextDouble()));
            double phase = 2 * Math.PI * random.NextDouble();
            double[] dark = [0.45 * random.NextDouble(), 0.45 * random.NextDouble(), 0.45 * random.NextDouble()];
            double[] light = [.. dark.Select(value => Math.Min(1, value + 0.4 + (0.3 * random.NextDouble())))];
            return new Pattern(frequency, Math.Cos(angle), Math.Sin(angle), phase, dark, light);
        }

        public double U(int x, int y) => (Frequency * ((x * Cos) + (y * Sin))) + Phase;

        public double V(int x, int y) => (Frequency * ((y * Cos) - (x * Sin))) + Phase;
    }
}
