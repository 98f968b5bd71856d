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
}
