using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

public sealed class HeadBasisTests
{
    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void The_model_in_the_bases_of_its_heads_is_the_same_model(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        using CalibrationMoments moments = new(loaded.Model.Architecture, withHeads: true);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        moments.Add(loaded.Model, images);
        using HeadBasis basis = new(moments.Heads!.Bases(loaded.Model.Weights, moments), loaded.Model.Architecture);
        using VisionTransformer sorted = new(basis.Apply(loaded.Model.Weights));
        sorted.Embed(images).ShouldBeWithinOfLargest(1e-5, loaded.Model.Embed(images));
    }

    [Theory, LeakCheck]
    [InlineData("timm_vit")]
    [InlineData("siglip2")]
    [InlineData("deit_distilled")]
    public void Singular_values_of_the_logits_are_those_of_moments_summed_in_plain_loops(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        using CalibrationMoments moments = new(a, withHeads: true);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        moments.Add(loaded.Model, images);
        StoredHeadBasis stored = moments.Heads!.Bases(loaded.Model.Weights, moments);
        LayerRecord record = LayerRecord.Of(loaded.Model, images);
        for (int block = 0; block < a.Depth; block++)
        {
            for (int head = 0; head < a.Heads; head++)
            {
                int at = head * 3 * a.HeadDim;
                double[][][] perImage = record.Rows(block, BlockLinear.Qkv, output: true);
                double[,] queries = SymmetricMatrix.Moments([.. perImage.SelectMany(rows => rows.Select(row => row[at..(at + a.HeadDim)]))]);
                double[][,] ofImages = [.. perImage.Select(rows => SymmetricMatrix.Moments(
                    [.. rows.Select(row => row[(at + a.HeadDim)..(at + (2 * a.HeadDim))])], centred: true))];
                double[,] keys = Mean(ofImages);
                double[] singular = [.. SymmetricMatrix.EigenvaluesOfProduct(queries, keys).Select(value => Math.Sqrt(Math.Max(value, 0)))];

                // T G_q T^T is diagonal and holds the singular values, the largest first.
                double[,] basis = Head(stored.Queries[block], head, a.HeadDim);
                double[,] inBasis = SymmetricMatrix.Product(SymmetricMatrix.Product(basis, queries), SymmetricMatrix.Transposed(basis));
                ShouldBeDiagonal(inBasis, singular, 1e-3, $"{family} block {block} head {head}");
            }
        }
    }

    [Theory, LeakCheck, MemberData(nameof(Golden.Families), MemberType = typeof(Golden))]
    public void Singular_values_of_a_heads_output_are_those_of_a_covariance_summed_in_plain_loops(string family)
    {
        using Golden io = Golden.Open(family, "io.safetensors");
        using LoadedModel loaded = Golden.Model(family);
        ViTArchitecture a = loaded.Model.Architecture;
        using CalibrationMoments moments = new(a, withHeads: true);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        moments.Add(loaded.Model, images);
        using HeadBasis basis = new(moments.Heads!.Bases(loaded.Model.Weights, moments), a);
        using VisionTransformer sorted = new(basis.Apply(loaded.Model.Weights));
        LayerRecord before = LayerRecord.Of(loaded.Model, images), after = LayerRecord.Of(sorted, images);
        for (int block = 0; block < a.Depth; block++)
        {
            for (int head = 0; head < a.Heads; head++)
            {
                double[,] covariance = OfHead(before, block, head), inBasis = OfHead(after, block, head);
                double[,] projection = Projection(loaded.Model.Weights, block, head), projected = Projection(sorted.Weights, block, head);
                double[] squares = SymmetricMatrix.EigenvaluesOfProduct(
                    covariance, SymmetricMatrix.Product(SymmetricMatrix.Transposed(projection), projection));

                // The values are white in their basis, and the projection's columns are orthogonal, the largest first.
                string where = $"{family} block {block} head {head}";
                ShouldBeDiagonal(inBasis, [.. squares.Select(_ => 1.0)], 1e-2, where);
                ShouldBeDiagonal(SymmetricMatrix.Product(SymmetricMatrix.Transposed(projected), projected), squares, 1e-3, where);
            }
        }

        double[,] OfHead(LayerRecord record, int block, int head) => SymmetricMatrix.Moments(
            [.. record.Rows(block, BlockLinear.Proj, output: false).SelectMany(rows => rows.Select(
                row => row[(head * a.HeadDim)..((head + 1) * a.HeadDim)]))],
            centred: true);
    }

    private static double[,] Head(float[] bases, int head, int dims)
    {
        double[,] basis = new double[dims, dims];
        for (int i = 0; i < dims * dims; i++)
        {
            basis[i / dims, i % dims] = bases[(head * dims * dims) + i];
        }

        return basis;
    }

    /// <summary>A head's part of the projection after its layer scale, [D, d].</summary>
    private static double[,] Projection(ViTWeights weights, int block, int head)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor part = weights.Blocks[block].Attention.Proj.Weight.select(1, head).to(ScalarType.Float64);
        Tensor? scale = weights.Find(weights.Table.Blocks[block].LayerScale1)?.to(ScalarType.Float64).view(-1, 1);
        double[] values = (scale is null ? part : part * scale).contiguous().data<double>().ToArray();
        double[,] projection = new double[part.shape[0], part.shape[1]];
        Buffer.BlockCopy(values, 0, projection, 0, values.Length * sizeof(double));
        return projection;
    }

    private static double[,] Mean(double[][,] matrices)
    {
        double[,] mean = new double[matrices[0].GetLength(0), matrices[0].GetLength(1)];
        foreach (double[,] matrix in matrices)
        {
            for (int i = 0; i < matrix.Length; i++)
            {
                mean[i / mean.GetLength(1), i % mean.GetLength(1)] += matrix[i / mean.GetLength(1), i % mean.GetLength(1)] / matrices.Length;
            }
        }

        return mean;
    }

    private static void ShouldBeDiagonal(double[,] matrix, double[] diagonal, double tolerance, string where)
    {
        for (int i = 0; i < diagonal.Length; i++)
        {
            for (int j = 0; j < diagonal.Length; j++)
            {
                double expected = i == j ? diagonal[i] : 0;
                Assert.True(
                    Math.Abs(matrix[i, j] - expected) <= tolerance * diagonal[0],
                    $"{where}: [{i}, {j}] expected {expected:G5}, found {matrix[i, j]:G5}, the largest {diagonal[0]:G5}");
            }
        }
    }
}
