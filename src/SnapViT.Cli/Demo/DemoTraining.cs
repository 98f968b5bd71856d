using System.Diagnostics;
using SnapViT.Core.Architecture;
using SnapViT.Core.Randomness;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Cli.Demo;

/// <summary>Trains the demo's model on generated images, a new batch at every step: no image is seen twice.</summary>
internal sealed class DemoTraining : IDisposable
{
    private const double LargestRate = 1.5e-3, WeightDecay = 0.05, LabelSmoothing = 0.05;
    private const int WarmUp = 200;

    private readonly ViTArchitecture _architecture = DemoModel.Architecture;
    private readonly ParameterTable _table;
    private readonly Tensor _flat;
    private readonly AdamW _optimiser;
    private readonly ScalarType _precision;
    private readonly ulong _seed;

    /// <summary>Starts from random weights.</summary>
    /// <param name="seed">Seed of weights and images.</param>
    /// <param name="precision">Precision of the matrix products; the weights are float32.</param>
    public DemoTraining(ulong seed, ScalarType precision)
    {
        (_seed, _precision) = (seed, precision);
        _table = ParameterTable.For(_architecture, _architecture.FullWidths);
        SeededRandom random = SeededRandom.ForPurpose(seed, "demo weights");
        _flat = tensor(_table.SelectMany(parameter => Initial(parameter, random)).ToArray()).requires_grad_(true);
        _optimiser = new AdamW(_flat, tensor(_table.SelectMany(Decayed).ToArray()));
    }

    /// <summary>Trains.</summary>
    /// <param name="steps">Steps.</param>
    /// <param name="batch">Images per step.</param>
    /// <param name="told">Step, mean loss and accuracy since the last call, seconds since the start; every 100 steps.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public void Run(int steps, int batch, Action<int, double, double, double> told, CancellationToken cancellation)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Task<GeneratedBatch> ahead = Drawn(0);
        (double loss, double hits, int since) = (0, 0, 0);
        for (int step = 0; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            GeneratedBatch current = ahead.GetAwaiter().GetResult();
            int next = step + 1;
            ahead = Drawn(next);
            (double batchLoss, double batchHits) = Backward(current);
            double rate = LargestRate * Math.Min(1, next / (double)WarmUp) * 0.5 * (1 + Math.Cos(Math.PI * step / steps));
            _optimiser.Step(rate, WeightDecay);
            (loss, hits, since) = (loss + batchLoss, hits + batchHits, since + 1);
            if (next % 100 == 0 || next == steps)
            {
                told(next, loss / since, hits / since, watch.Elapsed.TotalSeconds);
                (loss, hits, since) = (0, 0, 0);
            }
        }

        Task<GeneratedBatch> Drawn(int step) => Task.Run(
            () => GeneratedBatch.Draw(_seed, Difficulty.Training(step / (double)steps), step, batch), cancellation);
    }

    /// <summary>The trained model in half precision, in which it is stored.</summary>
    public VisionTransformer Model()
    {
        using IDisposable frozen = no_grad();
        return new VisionTransformer(new ViTWeights(
            _architecture,
            _architecture.FullWidths,
            Views((_, view) => view.to(ScalarType.Float16).DetachFromDisposeScope())));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimiser.Dispose();
        _flat.Dispose();
    }

    private (double Loss, double Accuracy) Backward(GeneratedBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor images = tensor(batch.Values).view(batch.Labels.Length, 3, _architecture.ImageSize, _architecture.ImageSize);
        Tensor labels = tensor(batch.Labels);
        using VisionTransformer model = new(new ViTWeights(
            _architecture,
            _architecture.FullWidths,
            Views((parameter, view) => view.to(parameter.IsMatrix ? _precision : ScalarType.Float32).DetachFromDisposeScope())));
        Tensor logits = model.Classify(model.Tokens(images));
        Tensor loss = F.cross_entropy(logits, labels, label_smoothing: LabelSmoothing);
        loss.backward();
        return (loss.item<float>(), logits.argmax(1).eq(labels).to(ScalarType.Float32).mean().item<float>());
    }

    /// <summary>The parameters as views of the flat vector, in the model's layout; differentiable.</summary>
    private List<KeyValuePair<string, Tensor>> Views(Func<ParameterSpec, Tensor, Tensor> make)
    {
        using DisposeScope scope = NewDisposeScope();
        List<KeyValuePair<string, Tensor>> views = [];
        long start = 0;
        foreach (ParameterSpec parameter in _table)
        {
            long length = parameter.Elements;
            views.Add(new(parameter.Name, make(parameter, _flat.narrow(0, start, length).view([.. parameter.ModelShape]))));
            start += length;
        }

        return views;
    }

    private static float[] Initial(ParameterSpec parameter, SeededRandom random)
    {
        double deviation = parameter.Shape.Count < 2 ? 0 : Math.Min(0.05, 1 / Math.Sqrt(parameter.Shape[^1]));
        double start = parameter.Role == ParameterRole.NormWeight ? 1 : 0;
        return [.. Enumerable.Range(0, (int)parameter.Elements).Select(_ => (float)(start + (deviation * random.NextNormal())))];
    }

    private static IEnumerable<float> Decayed(ParameterSpec parameter) =>
        Enumerable.Repeat(parameter.IsWeight ? 1f : 0f, (int)parameter.Elements);
}
