using SnapViT.Core.Architecture;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Benchmarks;

/// <summary>
/// The yardstick of the correction: SparseGPT as the reference's elastic path runs it (method.md section 6), on a model whose inputs are in
/// importance order. Block after block, images pass one at a time and add to <c>H = 2/n sum x x^T</c>; then the columns are removed one after another
/// from the right, each leaving its error to those before it by the Cholesky factor of the inverse; then the images pass once more to the next block.
/// </summary>
internal static class ColumnElimination
{
    private const double DampingShare = 0.01;

    /// <summary>Corrected weights of <c>proj</c> and <c>fc2</c> of one block on the first of their inputs.</summary>
    /// <param name="model">The unpruned model, float32.</param>
    /// <param name="inputs">Tokens before the block, one image each, [1, N, D].</param>
    /// <param name="block">Block, 0..L-1.</param>
    /// <param name="kept">What it keeps.</param>
    public static (Tensor Proj, Tensor Fc2) Correct(VisionTransformer model, IReadOnlyList<Tensor> inputs, int block, BlockWidths kept)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        using Products products = new();
        foreach (Tensor image in inputs)
        {
            products.Images++;
            model.Block(image, block, products).Dispose();
        }

        Tensor proj = Eliminate(model.Weights[$"blocks.{block}.attn.proj.weight"], products.Proj!, (long)kept[Axis.Heads] * model.Architecture.HeadDim);
        Tensor fc2 = Eliminate(model.Weights[$"blocks.{block}.mlp.fc2.weight"], products.Fc2!, kept[Axis.Neurons]);
        foreach (Tensor image in inputs)
        {
            model.Block(image, block, hook: null).Dispose();
        }

        return (proj.MoveToOuterDisposeScope(), fc2.MoveToOuterDisposeScope());
    }

    private static Tensor Eliminate(Tensor original, Tensor products, long kept)
    {
        using DisposeScope scope = NewDisposeScope();
        long n = original.shape[1];
        Tensor weight = original.clone();
        Tensor damping = eye(n, device: original.device) * (DampingShare * products.diagonal().mean().item<float>());

        // From the right, so the factor is that of the matrix in reverse, turned back: lower triangular.
        Tensor reversed = (products + damping).flip(0, 1);
        Tensor factor = linalg.cholesky(linalg.inv(reversed)).t().flip(0, 1).contiguous();
        for (long column = n - 1; column >= kept; column--)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor row = factor.narrow(0, column, 1).narrow(1, 0, column + 1);
            Tensor error = weight.narrow(1, column, 1) / row.narrow(1, column, 1);
            weight.narrow(1, 0, column + 1).addmm_(error, row, beta: 1, alpha: -1);
        }

        return weight.narrow(1, 0, kept).clone().MoveToOuterDisposeScope();
    }

    /// <summary>Running products of the inputs of both layers, as the reference updates them image by image.</summary>
    private sealed class Products : IForwardHook, IDisposable
    {
        public long Images { get; set; }

        public Tensor? Proj { get; private set; }

        public Tensor? Fc2 { get; private set; }

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            if (layer == BlockLinear.Proj)
            {
                Proj = Updated(Proj, input);
            }
            else if (layer == BlockLinear.Fc2)
            {
                Fc2 = Updated(Fc2, input);
            }
        }

        public void Dispose()
        {
            Proj?.Dispose();
            Fc2?.Dispose();
        }

        private Tensor Updated(Tensor? sum, Tensor input)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor rows = input.reshape(-1, input.shape[^1]) * Math.Sqrt(2.0 / Images);
            Tensor all = sum ?? zeros([rows.shape[1], rows.shape[1]], ScalarType.Float32, rows.device).DetachFromDisposeScope();
            all.mul_((Images - 1.0) / Images);
            all.addmm_(rows.t(), rows, beta: 1, alpha: 1);
            return all;
        }
    }
}
