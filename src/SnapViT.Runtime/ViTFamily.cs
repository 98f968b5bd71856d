using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;

namespace SnapViT.Runtime;

/// <summary>
/// One Vision Transformer at many sizes, from the folder that <c>snapvit export --onnx-family</c> writes, on ONNX Runtime.
/// <see cref="At"/> gives the largest size within a budget, <see cref="InTime"/> the largest that meets a deadline.
/// </summary>
/// <remarks>
/// Thread-safe, but for <see cref="Dispose"/>. All sizes read the same weights: the system holds the pages of the file once. What a size
/// has of its own is its graph, the layers that were corrected for its budget, and rows that ONNX Runtime picks out of heads with fewer
/// dimensions. The files must stay as they are while the family is open, unless <see cref="RuntimeOptions.ReadWeights"/> is set.
/// </remarks>
public sealed class ViTFamily : IImageEmbedder, IDisposable
{
    private readonly ViTArchitecture _architecture;
    private readonly WeightMemory? _weights;
    private bool _disposed;

    private ViTFamily(string folder, OnnxFamilyFiles files, RuntimeOptions options)
    {
        ModelName = new DirectoryInfo(folder).Name;
        _weights = options.ReadWeights ? new WeightMemory() : null;
        Members =
        [
            .. files.Members
                .Select(facts => new FamilyMember(this, facts, () => Sessions.Open(Path.Combine(folder, facts.Graph), options, _weights)))
                .OrderByDescending(member => member.Flops).ThenByDescending(member => member.Parameters),
        ];
        try
        {
            ModelConfig config = ConfigOf(Members[0].Session, Path.Combine(folder, Members[0].Name));
            _architecture = config.Architecture;
            Preprocessing = (options.Preprocessing ?? config.Preprocessing ?? Preprocessing.Named("reference", _architecture.ImageSize))
                .Validated();
            ClassNames = config.ClassNames ?? [];
            if (Preprocessing.Side != _architecture.ImageSize)
            {
                throw new SnapViTException(
                    ErrorKind.Option, $"preprocessing: expected the model's side {_architecture.ImageSize}, found {Preprocessing.Side}");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Opens a family.</summary>
    /// <param name="folder">The folder with <c>family.json</c>, or that file.</param>
    /// <param name="options">Threads, device, preprocessing; null for the defaults.</param>
    /// <exception cref="SnapViTException">
    /// It is no family, a file is damaged or missing, an option is wrong, or the native library of ONNX Runtime is missing.
    /// </exception>
    public static ViTFamily Open(string folder, RuntimeOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string found = OnnxFamilyFiles.FolderOf(folder) ?? throw new CheckpointFormatException(
            folder, "expected the folder of an ONNX family with its list family.json, found none");
        OnnxFamilyFiles files = OnnxFamilyFiles.Read(found);
        if (files.Members.Count == 0)
        {
            throw new CheckpointFormatException(found, "expected a family of at least one size, found none");
        }

        return new ViTFamily(Path.GetFullPath(found), files, (options ?? new RuntimeOptions()).Validated());
    }

    /// <summary>The sizes, the largest first.</summary>
    public IReadOnlyList<FamilyMember> Members { get; }

    /// <inheritdoc/>
    /// <remarks>The name of the family's folder.</remarks>
    public string ModelName { get; }

    /// <inheritdoc/>
    public int FeatureDim => _architecture.FeatureDim;

    /// <summary>How images become the model's input.</summary>
    public Preprocessing Preprocessing { get; }

    /// <summary>Names of the classes in the order of the classifier's outputs; empty where they are not known.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The largest size within a budget.</summary>
    /// <param name="budget">
    /// FLOPs or parameters, absolute or a share of the unpruned model's; or a latency, once <see cref="MeasureLatency"/> has run, absolute
    /// or a share of the largest size's.
    /// </param>
    /// <exception cref="BudgetException">
    /// Not even the smallest size is within it, or it is of another kind: a family has the sizes that it was exported with.
    /// </exception>
    public FamilyMember At(Budget budget)
    {
        ArgumentNullException.ThrowIfNull(budget);
        (CostUnit unit, double most) = budget switch
        {
            Budget.Share share => (share.Limits, share.Fraction * Whole(share.Limits)),
            Budget.Most figure => (figure.Limits, figure.Figure),
            _ => throw new BudgetException("budget: a family has sizes by FLOPs, parameters and latency, found ratios"),
        };
        return Members.Where(member => Cost(member, unit) <= most).MaxBy(member => (Cost(member, unit), member.Flops))
            ?? throw new BudgetException(string.Create(
                CultureInfo.InvariantCulture,
                $"budget: the smallest size of {ModelName} takes {Members.Min(member => Cost(member, unit))} {Unit(unit)}, "
                    + $"asked for at most {most:0}"));
    }

    /// <summary>
    /// The largest size whose measured forward pass takes no longer than a time; the fastest where none does.
    /// <see cref="MeasureLatency"/> must have run.
    /// </summary>
    /// <param name="time">The time that is left.</param>
    /// <exception cref="BudgetException">Nothing was measured yet.</exception>
    public FamilyMember InTime(TimeSpan time) =>
        Members.Where(member => Cost(member, CostUnit.Nanoseconds) <= time.TotalNanoseconds).MaxBy(member => member.Flops)
        ?? Members.MinBy(member => Cost(member, CostUnit.Nanoseconds))!;

    /// <summary>Times a forward pass of every size on this machine, the sizes in turn; the median counts. It opens all sizes.</summary>
    /// <param name="batch">Images of the forward pass, at least 1.</param>
    /// <param name="runs">Passes of each size, at least 1; one more ahead is not counted.</param>
    /// <param name="clock">The clock; null for the system's.</param>
    /// <param name="cancellation">Stops the forward pass.</param>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is changed.</exception>
    public void MeasureLatency(int batch = 1, int runs = 9, TimeProvider? clock = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 1);
        TimeProvider time = clock ?? TimeProvider.System;
        float[] images = new float[batch * 3 * Preprocessing.Side * Preprocessing.Side];
        List<TimeSpan>[] taken = [.. Members.Select(_ => new List<TimeSpan>(runs))];
        for (int run = 0; run <= runs; run++)
        {
            for (int member = 0; member < Members.Count; member++)
            {
                long start = time.GetTimestamp();
                FamilyMember.Output output = HasFeatures ? FamilyMember.Output.Features : FamilyMember.Output.Logits;
                Members[member].Run(output, images, batch, cancellation);
                if (run > 0)
                {
                    taken[member].Add(time.GetElapsedTime(start));
                }
            }
        }

        for (int member = 0; member < Members.Count; member++)
        {
            Members[member].Latency = taken[member].Order().ElementAt(runs / 2);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<ReadOnlyMemory<float>> Embed(
        IReadOnlyList<ImageEntry> images, Budget budget, CancellationToken cancellation = default) =>
        At(budget).Embed(images, cancellation);

    /// <summary>Closes all graphs. No other call may be running.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (FamilyMember member in Members)
        {
            member.Close();
        }

        _weights?.Dispose();
    }

    /// <summary>FLOPs per image of the unpruned model.</summary>
    internal double WholeFlops => Whole(CostUnit.Flops);

    /// <summary>Classes of the model's own classifier; 0 without one.</summary>
    internal int Classes => Members[0].Session.OutputMetadata.ContainsKey("logits") ? _architecture.Classes : 0;

    internal bool HasFeatures => Members[0].Session.OutputMetadata.ContainsKey("features");

    internal void RequireOpen() => ObjectDisposedException.ThrowIf(_disposed, this);

    private static ModelConfig ConfigOf(InferenceSession session, string path)
    {
        string json = session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(ModelConfig.MetadataKey)
            ?? throw new CheckpointFormatException(path, $"expected the metadata {ModelConfig.MetadataKey}, found none");
        try
        {
            return ModelConfig.FromJson(json);
        }
        catch (FormatException wrong)
        {
            throw new CheckpointFormatException(path, wrong.Message, innerException: wrong);
        }
    }

    private static string Unit(CostUnit unit) => unit switch
    {
        CostUnit.Flops => "FLOPs",
        CostUnit.Parameters => "parameters",
        _ => "ns",
    };

    /// <summary>What the unpruned model costs; of latency, what the largest size of the family does.</summary>
    private double Whole(CostUnit unit) => unit switch
    {
        CostUnit.Flops => CostModel.Flops(_architecture, _architecture.FullWidths),
        CostUnit.Parameters => CostModel.Parameters(_architecture, _architecture.FullWidths),
        _ => Cost(Members[0], unit),
    };

    private static double Cost(FamilyMember member, CostUnit unit) => unit switch
    {
        CostUnit.Flops => member.Flops,
        CostUnit.Parameters => member.Parameters,
        CostUnit.Nanoseconds => member.Latency?.TotalNanoseconds
            ?? throw new BudgetException("latency: expected the sizes to be measured on this machine first, found no measurement"),
        _ => throw new BudgetException("budget: a family has sizes by FLOPs, parameters and latency, found a file size"),
    };
}
