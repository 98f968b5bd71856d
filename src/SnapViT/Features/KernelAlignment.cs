using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Features;

/// <summary>
/// How alike two parts of a network see images: linear centred kernel alignment (Kornblith et al., 2019) between the first token's
/// activations of all MLPs (output of <c>fc1</c>) and all heads (input of <c>proj</c>). The parts are in the order of the global factors:
/// the blocks' MLPs, then the heads block by block. The first token is the class token; of a model without one it is the first patch, as in
/// the reference.
/// </summary>
/// <param name="architecture">The model's architecture.</param>
internal sealed class KernelAlignment(ViTArchitecture architecture) : IForwardHook, IDisposable
{
    private readonly List<Tensor>[] _activations =
        [.. Enumerable.Range(0, architecture.Depth * (1 + architecture.Heads)).Select(_ => new List<Tensor>())];

    /// <summary>Adds images that go through the network.</summary>
    /// <param name="model">An unpruned network of the architecture.</param>
    /// <param name="images">Normalised images, float32 [B, 3, S, S].</param>
    public void Add(VisionTransformer model, Tensor images)
    {
        ArgumentNullException.ThrowIfNull(model);
        using IDisposable frozen = no_grad();
        using Tensor tokens = model.Tokens(images, this);
    }

    /// <summary>The alignment of every pair of the n = L + L A parts over all images, [n, n] with ones on its diagonal.</summary>
    /// <exception cref="InvalidOperationException">No image was added.</exception>
    /// <exception cref="SnapViTException">A part gives all images the same, or values that are not finite.</exception>
    public double[,] Matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        if (_activations[0].Count == 0)
        {
            throw new InvalidOperationException("CKA: expected at least one batch, found none");
        }

        Tensor[] grams = [.. _activations.Select(Gram)];
        Tensor all = stack(grams, 0), dependence = all.mm(all.t());
        Tensor scale = dependence.diagonal().sqrt();
        using Scalar zero = 0.ToScalar();
        if (!scale.gt(zero).all().item<bool>())
        {
            throw new SnapViTException(
                ErrorKind.Numbers, "CKA: expected activations that differ between images, found a part that does not tell them apart");
        }

        double[,] matrix = Square(dependence.div(scale.unsqueeze(0)).div(scale.unsqueeze(1)));
        for (int i = 0; i < grams.Length; i++)
        {
            matrix[i, i] = 1;
        }

        return matrix;
    }

    /// <inheritdoc/>
    void IForwardHook.Observe(int block, BlockLinear layer, Tensor input, Tensor output)
    {
        using DisposeScope scope = NewDisposeScope();
        if (layer == BlockLinear.Proj)
        {
            Tensor first = input.select(1, 0);
            for (int head = 0; head < architecture.Heads; head++)
            {
                Keep(
                    architecture.Depth + (block * architecture.Heads) + head,
                    first.narrow(1, head * architecture.HeadDim, architecture.HeadDim));
            }
        }
        else if (layer == BlockLinear.Fc1)
        {
            Keep(block, output.select(1, 0));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor kept in _activations.SelectMany(parts => parts))
        {
            kept.Dispose();
        }
    }

    /// <summary>A square matrix of doubles on the CPU.</summary>
    internal static double[,] Square(Tensor tensor)
    {
        using Tensor here = tensor.cpu(), flat = here.contiguous();
        int n = (int)tensor.shape[0];
        double[,] matrix = new double[n, n];
        Buffer.BlockCopy(flat.data<double>().ToArray(), 0, matrix, 0, n * n * sizeof(double));
        return matrix;
    }

    private void Keep(int part, Tensor activations) =>
        _activations[part].Add(activations.to(ScalarType.Float64, copy: true).DetachFromDisposeScope());

    /// <summary>Inner products of the images' centred activations, as one row [n * n].</summary>
    private static Tensor Gram(List<Tensor> batches)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor activations = cat(batches, 0), centred = activations.Minus(activations.mean([0L], true));
        return centred.mm(centred.t()).flatten().MoveToOuterDisposeScope();
    }
}
