using System.Globalization;
using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;
using SnapViT.Tensors;
using SnapViT.Workflows;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks.Precision;

/// <summary>
/// <c>precision [--shared DIR] [--seeds 42,43,44] [--photos N] [--out FILE]</c>: what bfloat16 changes. Both real models are scored in float32
/// and in bfloat16 on the same photos; rankings, kept structures and the accuracy of six sub-networks are compared, each run in its precision.
/// </summary>
internal static class PrecisionCommand
{
    public const string Name = "precision";

    private const int Scored = 128, BatchSize = 32;

    private static readonly string[] Models = ["deit_tiny_patch16_224", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"];
    private static readonly double[] Shares = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4];

    public static int Run(string[] args, string command)
    {
        string load = Machine.Load();
        TorchRuntime.EnsureLoaded();
        string shared = Value("--shared", "../shared"), file = Value("--out", "");
        int photos = int.Parse(Value("--photos", "372"), CultureInfo.InvariantCulture);
        ulong[] seeds = [.. Value("--seeds", "42,43,44").Split(',').Select(text => ulong.Parse(text, CultureInfo.InvariantCulture))];
        StringBuilder text = new();
        text.Append("# What bfloat16 changes\n\n").Append(Machine.Describe(load)).Append("  \nCommand: `").Append(command).Append("`\n\n");
        text.Append(CultureInfo.InvariantCulture, $"""
            Scores by the recommended preset on {Scored} photos without a frontier, in float32 and in bfloat16. Correlation is Spearman's over all
            structures of a model. Overlap is the share of the kept structures that both keep; a budget takes heads and neurons. Top-1 is of
            {photos} photos that nothing was computed from, a stride through all; every model runs in the precision that it was scored in. Mean over the
            seeds {string.Join(", ", seeds)}, least and most in brackets.


            """);
        foreach (string name in Models)
        {
            List<Figures> found = [.. seeds.Select(seed => Compared(shared, name, seed, photos))];
            text.Append(CultureInfo.InvariantCulture, $"## {name}\n\nRank correlation: neurons {Spread(found.Select(one => one.Neurons), "0.0000")}, heads ");
            text.Append(CultureInfo.InvariantCulture, $"{Spread(found.Select(one => one.Heads), "0.0000")}.\n\n");
            text.Append("| FLOPs | overlap of kept neurons | overlap of kept heads | top-1 fp32 | top-1 bf16 | bf16 less fp32, points |\n|---:|---:|---:|---:|---:|---:|\n");
            for (int budget = 0; budget <= Shares.Length; budget++)
            {
                BudgetFigures[] rows = [.. found.Select(one => one.Budgets[budget])];
                text.Append(CultureInfo.InvariantCulture, $"| {(budget == 0 ? "whole model" : Shares[budget - 1].ToString(CultureInfo.InvariantCulture))} ");
                text.Append(CultureInfo.InvariantCulture, $"| {Spread(rows.Select(row => row.Neurons), "0.000")} | {Spread(rows.Select(row => row.Heads), "0.000")} ");
                text.Append(CultureInfo.InvariantCulture, $"| {100 * rows.Average(row => row.InFloat32):0.0} | {100 * rows.Average(row => row.InBFloat16):0.0} ");
                text.Append(CultureInfo.InvariantCulture, $"| {Spread(rows.Select(row => 100 * (row.InBFloat16 - row.InFloat32)), "+0.0;-0.0;0.0")} |\n");
            }

            text.Append('\n');
            if (file.Length > 0)
            {
                File.WriteAllText(file, text.ToString());
            }
        }

        Console.Write(text);
        return 0;

        string Value(string option, string otherwise) =>
            Array.IndexOf(args, option) is int at and >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise;
    }

    private static Figures Compared(string shared, string name, ulong seed, int photos)
    {
        using LoadedModel model = ModelFile.Load(Path.Combine(shared, "models", name + ".safetensors"));
        Preprocessing preprocessing = name.Contains("augreg", StringComparison.Ordinal) ? Preprocessing.Named("augreg", 224) : Preprocessing.Reference;
        ImageSet all = ImageSet.FromFolder(
            Path.Combine(shared, "images", "imagenet-sample"), LabelFile.Read(Path.Combine(shared, "images", "imagenet-synsets.txt")));
        HashSet<string> used = [.. all.Sample(Scored, seed).Entries.Select(entry => entry.Name)];
        ImageSet heldOut = all.Where(entry => !used.Contains(entry.Name)).Sample(photos, 1);
        ElasticScores inFloat32 = Scores(ScalarType.Float32), inBFloat16 = Scores(ScalarType.BFloat16);
        using ElasticViT wide = Open(inFloat32, ScalarType.Float32), narrow = Open(inBFloat16, ScalarType.BFloat16);
        Budget[] budgets = [Budget.Whole, .. Shares.Select(share => Budget.Flops(share))];
        PlanOptions how = new() { Allocation = Allocation.Pools };
        double[] top1Wide = Top1(wide), top1Narrow = Top1(narrow);
        Console.Error.WriteLine($"{name}, seed {seed}: measured");
        return new Figures(
            Spearman(Neurons(inFloat32), Neurons(inBFloat16)), Spearman(Heads(inFloat32), Heads(inBFloat16)),
            [.. budgets.Select((budget, index) => new BudgetFigures(
                Overlap(Axis.Neurons, budget), Overlap(Axis.Heads, budget), top1Wide[index], top1Narrow[index]))]);

        ElasticScores Scores(ScalarType precision) => new ElasticBuild(model, all, preprocessing, BuildOptions.Recommended with
        {
            Samples = Scored, CalibrationImages = 96, FrontierImages = 0, SortHeadDims = false, Seed = seed, Precision = precision,
        }).Run().Scores;

        ElasticViT Open(ElasticScores scores, ScalarType precision) =>
            ElasticViT.Open(model, scores, new ElasticOptions { Preprocessing = preprocessing, Precision = precision });

        double[] Top1(ElasticViT elastic)
        {
            Subnet[] subnets = [.. budgets.Select(budget => elastic.At(budget, how))];
            ClassMapping classes = ClassMapping.Of(heldOut, model.Model.Architecture.Classes, model.ClassNames);
            double[] right = new double[subnets.Length];
            ImageConsumer consumer = new(heldOut, ImagePreparation.Whole(preprocessing), BatchSize, take: batch =>
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor labels = tensor(batch.Entries.Select(entry => (long)classes[entry.Label!.Value]).ToArray());
                for (int index = 0; index < subnets.Length; index++)
                {
                    right[index] += subnets[index].Model.Logits(batch.Images).argmax(1).eq(labels).sum().item<long>();
                }
            });
            new ImageReader(heldOut, consumer).Run(default);
            Array.ForEach(subnets, subnet => subnet.Dispose());
            return [.. right.Select(sum => sum / heldOut.Count)];
        }

        double Overlap(Axis axis, Budget budget)
        {
            bool[][] one = Kept(inFloat32, wide), other = Kept(inBFloat16, narrow);
            double both = one.Zip(other, (a, b) => a.Zip(b, (x, y) => x && y ? 1 : 0).Sum()).Sum();
            return both / one.Sum(block => block.Count(kept => kept));

            bool[][] Kept(ElasticScores scores, ElasticViT elastic)
            {
                SubnetWidths widths = elastic.Plan(budget, how).Widths;
                ImportanceOrder order = new(scores.Local);
                return [.. Enumerable.Range(0, scores.Local.Depth).Select(block =>
                {
                    bool[] kept = new bool[order.Of(axis, block).Length];
                    foreach (long unit in order.Longs(axis, block, widths[block][axis]))
                    {
                        kept[unit] = true;
                    }

                    return kept;
                })];
            }
        }
    }

    private static double[] Neurons(ElasticScores scores) => Flat(scores, Axis.Neurons);

    private static double[] Heads(ElasticScores scores) => Flat(scores, Axis.Heads);

    private static double[] Flat(ElasticScores scores, Axis axis) =>
        [.. Enumerable.Range(0, scores.Local.Depth).SelectMany(block => scores.Local.Of(axis, block).ToArray())];

    /// <summary>The correlation of ranks.</summary>
    private static double Spearman(double[] one, double[] other)
    {
        double[] a = Ranks(one), b = Ranks(other);
        double mean = (a.Length - 1) / 2.0, covariance = 0, variance = 0;
        for (int i = 0; i < a.Length; i++)
        {
            covariance += (a[i] - mean) * (b[i] - mean);
            variance += (a[i] - mean) * (a[i] - mean);
        }

        return covariance / variance;
    }

    private static double[] Ranks(double[] values)
    {
        int[] order = [.. Enumerable.Range(0, values.Length).OrderBy(index => values[index]).ThenBy(index => index)];
        double[] ranks = new double[values.Length];
        for (int rank = 0; rank < order.Length; rank++)
        {
            ranks[order[rank]] = rank;
        }

        return ranks;
    }

    private static string Spread(IEnumerable<double> values, string format)
    {
        double[] all = [.. values];
        return $"{Text(all.Average())} ({Text(all.Min())} to {Text(all.Max())})";

        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }

    private sealed record BudgetFigures(double Neurons, double Heads, double InFloat32, double InBFloat16);

    private sealed record Figures(double Neurons, double Heads, IReadOnlyList<BudgetFigures> Budgets);
}
