using System.Text.Json;
using SnapViT.Features;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Tests.Features;

public sealed class PcaTests
{
    // Numbers: golden/pca, scikit-learn's IncrementalPCA as the reference uses it: one batch, several, and a last one that is merged.
    [Theory, LeakCheck]
    [InlineData("single_batch", 16)]
    [InlineData("multi_batch", 10)]
    [InlineData("uneven", 10)]
    public void Projections_and_losses_are_the_reference_s(string run, int components)
    {
        using Golden golden = Golden.Open("pca", "pca.safetensors");
        using DisposeScope scope = NewDisposeScope();
        using Pca pca = Pca.Fit(golden.Float($"{run}.embeddings"), components);
        Tensor teacher = pca.Transform(golden.Float($"{run}.embeddings")), student = pca.Transform(golden.Float($"{run}.student"));
        teacher.ShouldBeWithinOfLargest(1e-4, golden.Float($"{run}.transformed"));
        student.ShouldBeWithinOfLargest(1e-4, golden.Float($"{run}.student_transformed"));

        using JsonDocument facts = JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "pca", "pca.json")));
        JsonElement expected = facts.RootElement.GetProperty(run);
        Assert.Equal(expected.GetProperty("mse").GetDouble(), (teacher - student).square().mean().item<float>(), 1e-5);
        Assert.Equal(expected.GetProperty("cosine").GetDouble(), 1 - F.cosine_similarity(teacher, student, 1, 1e-8).mean().item<float>(), 1e-6);
    }

    [Fact, LeakCheck]
    public void All_components_keep_every_inner_product_of_the_centred_rows()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = randn([30, 6], generator: new Generator(4)) + 5;
        using Pca pca = Pca.Fit(rows, 6);
        Tensor projected = pca.Transform(rows);
        projected.mean([0]).ShouldBeWithin(1e-4, zeros(6));
        Tensor centred = rows - rows.mean([0]);
        projected.mm(projected.t()).ShouldBeWithinOfLargest(1e-5, centred.mm(centred.t()));
    }

    [Theory, LeakCheck]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(5)]
    public void More_components_than_rows_or_columns_or_none_are_refused(int components)
    {
        using Tensor rows = randn([4, 6], generator: new Generator(4));
        ArgumentException fault = Assert.Throws<ArgumentException>(() => Pca.Fit(rows, components));
        Assert.Contains("expected 1 to 4 components", fault.Message, StringComparison.Ordinal);
    }

    // Up to 5 D rows are fitted at once: the components are those of an exact decomposition, each with its largest entry positive.
    [Fact, LeakCheck]
    public void Components_are_the_leading_eigenvectors_of_the_covariance()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Stretched(40, 8, seed: 6);
        using Pca pca = Pca.Fit(rows, 3);
        Tensor centred = rows.to(ScalarType.Float64) - rows.to(ScalarType.Float64).mean([0]);
        (Tensor values, Tensor vectors) = linalg.eigh(centred.t().mm(centred));
        Tensor leading = vectors.index_select(1, tensor(new long[] { 7, 6, 5 }));
        Tensor projection = pca.Projection.to(ScalarType.Float64);
        (projection.t().mm(leading)).abs().ShouldBeWithin(1e-6, eye(3));
        Assert.All(Enumerable.Range(0, 3), k => Assert.Equal(projection.select(1, k).abs().max().item<double>(), projection.select(1, k).max().item<double>()));
    }

    // Merging batches forgets what lies outside the components; where the rows have no more than those, nothing is lost.
    [Theory, LeakCheck]
    [InlineData(30)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(300)]
    public void Rows_of_few_directions_are_fitted_exactly_in_any_number_of_batches(int count)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Stretched(count, 2, seed: 7).mm(Stretched(2, 6, seed: 8)) + 3;
        using Pca pca = Pca.Fit(rows, 3);
        Tensor projected = pca.Transform(rows), centred = rows - rows.mean([0]);
        projected.mm(projected.t()).ShouldBeWithinOfLargest(1e-5, centred.mm(centred.t()));
    }

    [Fact, LeakCheck]
    public void Rows_without_any_variance_have_finite_components_and_project_to_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        using Pca pca = Pca.Fit(ones(8, 6), 3);
        pca.Projection.t().mm(pca.Projection).ShouldBeWithin(1e-6, eye(3));
        pca.Transform(ones(8, 6)).ShouldBeWithin(1e-6, zeros(8, 3));
    }

    [Theory, LeakCheck]
    [InlineData(new long[] { 6 })]
    [InlineData(new long[] { 2, 3, 6 })]
    public void Features_that_are_no_matrix_are_refused(long[] shape)
    {
        using Tensor features = zeros(shape);
        ArgumentException fault = Assert.Throws<ArgumentException>(() => Pca.Fit(features, 1));
        Assert.StartsWith($"PCA: expected features [n, D], found [{string.Join(", ", shape)}]", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Random rows of clearly different variances, so that no two components are alike.</summary>
    private static Tensor Stretched(int rows, int columns, ulong seed) =>
        randn([rows, columns], generator: new Generator(seed)) * tensor([.. Enumerable.Range(1, columns).Select(column => (float)column)]);
}
