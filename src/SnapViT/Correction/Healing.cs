using SnapViT.Core.Architecture;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Correction;

/// <summary>
/// Training of a sub-network, a little, by what the unpruned model says of unlabelled images (Hinton et al., Distilling the Knowledge in a
/// Neural Network, 2015): of a model with a classifier the Kullback-Leibler divergence of its class probabilities from the unpruned
/// model's, of any other <c>1 - cosine</c> between features.
/// </summary>
internal sealed class Healing : IDisposable
{
    private readonly VisionTransformer _dense;
    private readonly VisionTransformer _pruned;
    private readonly ParameterSpec[] _trained;
    private readonly Tensor _flat;
    private readonly AdamW _optimiser;
    private readonly bool _classifies;

    /// <summary>Prepares; nothing is trained yet.</summary>
    /// <param name="dense">The unpruned model in float32; stays the caller's.</param>
    /// <param name="pruned">A sub-network of it in float32 on the same device; stays the caller's.</param>
    public Healing(VisionTransformer dense, VisionTransformer pruned)
    {
        (_dense, _pruned, _classifies) = (dense, pruned, dense.Architecture.Classes > 0);
        _trained = [.. pruned.Weights.Table.Where(IsTrained)];
        using DisposeScope scope = NewDisposeScope();
        _flat = cat([.. _trained.Select(parameter => pruned.Weights[parameter].reshape(-1))], 0).detach().requires_grad_(true)
            .DetachFromDisposeScope();
        _optimiser = new AdamW(_flat, zeros_like(_flat, requires_grad: false).DetachFromDisposeScope());
    }

    /// <summary>One step.</summary>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    /// <param name="rate">Learning rate of this step.</param>
    /// <returns>The loss before it.</returns>
    public double Step(Tensor images, double rate)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor expected = Expected(images);
        using VisionTransformer student = new(Weights(view => view));
        (Tensor? features, Tensor? logits) = student.Outputs(images, features: !_classifies, logits: _classifies);
        Tensor loss = (_classifies ? Divergence(expected, logits!) : Apart(expected, features!)).mean();
        loss.backward();
        _optimiser.Step(rate, weightDecay: 0);
        return loss.item<float>();
    }

    /// <summary>The trained sub-network, with its own memory; the caller's.</summary>
    public VisionTransformer Result()
    {
        using IDisposable frozen = no_grad();
        return new VisionTransformer(Weights(view => view.clone()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimiser.Dispose();
        _flat.Dispose();
    }

    /// <summary>
    /// Norms, biases and layer scales of the blocks. All weights were no better on 250 photos (bench/results/healing.md), and over-fit.
    /// </summary>
    private static bool IsTrained(ParameterSpec parameter) => parameter.Block is not null && !parameter.IsWeight;

    private Tensor Expected(Tensor images)
    {
        using IDisposable frozen = no_grad();
        (Tensor? features, Tensor? logits) = _dense.Outputs(images, features: !_classifies, logits: _classifies);
        return _classifies ? logits! : features!;
    }

    /// <summary>The sub-network with what is trained as views of the flat vector.</summary>
    private ViTWeights Weights(Func<Tensor, Tensor> make)
    {
        Dictionary<string, (long Start, long Length)> places = [];
        long start = 0;
        foreach (ParameterSpec parameter in _trained)
        {
            long length = _pruned.Weights[parameter].numel();
            places.Add(parameter.Name, (start, length));
            start += length;
        }

        return _pruned.Weights.Map(_pruned.Widths, (parameter, tensor) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor view = places.TryGetValue(parameter.Name, out (long Start, long Length) place)
                ? _flat.narrow(0, place.Start, place.Length).view(tensor.shape)
                : tensor.alias();
            return make(view).MoveToOuterDisposeScope();
        });
    }

    private static Tensor Divergence(Tensor expected, Tensor actual)
    {
        Tensor logs = F.log_softmax(expected, -1);
        return (logs.exp() * logs.Minus(F.log_softmax(actual, -1))).sum([1]);
    }

    private static Tensor Apart(Tensor expected, Tensor actual) =>
        ones([actual.shape[0]], device: actual.device).Minus(F.cosine_similarity(actual, expected, 1, 1e-8));
}
