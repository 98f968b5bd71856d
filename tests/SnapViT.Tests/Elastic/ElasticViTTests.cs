using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Tests.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

[LeakCheck]
public sealed class ElasticViTTests : IDisposable
{
    private static readonly KeepFloors None = new(0, 0);
    private readonly TemporaryImages _folder = new();

    public static TheoryData<string> Families => SmallModels.Families;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Families))]
    public void Sub_networks_lie_in_the_memory_of_the_one_copy_of_the_weights(string family)
    {
        using ElasticViT elastic = Elastic(SmallModels.Architecture(family));
        using Subnet whole = elastic.At(Budget.Whole);
        using Subnet small = elastic.At(Budget.Ratios(0.5, 0.5));
        foreach ((string name, Tensor tensor) in small.Model.Weights.Tensors)
        {
            Assert.Equal(Storages.Address(whole.Model.Weights[name]), Storages.Address(tensor));
        }
    }

    [Fact]
    public void What_changes_in_one_sub_network_changes_in_all()
    {
        using ElasticViT elastic = Elastic(SmallModels.Vit);
        using Subnet whole = elastic.At(Budget.Whole);
        using Subnet small = elastic.At(Budget.Ratios(0.5, 0.5));
        foreach (Tensor tensor in whole.Model.Weights.Tensors.Values)
        {
            tensor.zero_().Dispose();
        }

        Assert.All(small.Model.Weights.Tensors.Values, tensor => Assert.DoesNotContain(Values(tensor), value => value != 0));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void The_whole_model_is_the_importance_ordered_one_bit_for_bit_and_the_original_within_1e_5(string family)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        using VisionTransformer original = SmallModels.Create(a);
        using ElasticViT elastic = new(original, SmallModels.Scores(a), new KeepFloors());
        using VisionTransformer ordered = new(WeightOrder.Sort(original.Weights, elastic.Planner.Order));
        using Subnet whole = elastic.At(Budget.Whole);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(a, 5);
        Tensor features = whole.Embed(images);
        Assert.Equal(ordered.Embed(images).data<float>().ToArray(), features.data<float>().ToArray());
        features.ShouldBeWithin(1e-5, original.Embed(images));
    }

    // The yardstick is the unpruned model in its own order with the weights of every removed structure set to zero.
    [Theory]
    [MemberData(nameof(Families))]
    public void A_sub_network_is_the_model_with_the_removed_structures_silenced(string family)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        using VisionTransformer original = SmallModels.Create(a);
        using ElasticViT elastic = new(original, SmallModels.Scores(a), None);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(a, 5);
        foreach (PruningRatios ratios in new PruningRatios[] { new(0.25, 0.1), new(0.5, 0.5), new(0.9, 0.2), new(0.1, 0.9), new(1, 1) })
        {
            using Subnet subnet = elastic.At(Budget.Ratios(ratios));
            using VisionTransformer silenced = Silenced(original, elastic.Planner.Order, subnet.Plan.Widths);
            subnet.Embed(images).ShouldBeWithin(1e-5, silenced.Embed(images));
        }
    }

    [Fact]
    public void A_block_without_floors_may_lose_all_its_heads_and_all_its_neurons()
    {
        ViTArchitecture a = SmallModels.Vit;
        double[,] neurons = new double[a.Depth, a.MlpDim], heads = new double[a.Depth, a.Heads];
        Fill(neurons, (block, index) => block == 1 ? 0 : 1 + index);
        Fill(heads, (block, index) => block == 2 ? 0 : 1 + index);
        using VisionTransformer original = SmallModels.Create(a);
        using ElasticViT elastic = new(original, new ImportanceScores(neurons, heads), None);
        using Subnet subnet = elastic.At(Budget.Ratios(1.0 / 3, 1.0 / 3));
        Assert.Equal(SmallModels.Widths((4, 24), (4, 0), (0, 24)).In(subnet.Plan.Architecture), subnet.Plan.Widths);
        using VisionTransformer silenced = Silenced(original, elastic.Planner.Order, subnet.Plan.Widths);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(a, 5);
        subnet.Classify(images).ShouldBeWithin(1e-5, silenced.Logits(images));
    }

    [Fact]
    public void Disposing_a_sub_network_leaves_the_others_and_the_weights_as_they_were()
    {
        using ElasticViT elastic = Elastic(SmallModels.Vit);
        using Tensor images = SmallModels.Images(SmallModels.Vit, 3);
        using Subnet kept = elastic.At(Budget.Ratios(0.4, 0.2));
        float[] before = Features(kept, images);
        for (int i = 0; i < 10; i++)
        {
            elastic.At(Budget.Ratios(0.4, 0.2)).Dispose();
            elastic.At(Budget.Whole).Dispose();
        }

        using Subnet again = elastic.At(Budget.Ratios(0.4, 0.2));
        Assert.Equal(before, Features(kept, images));
        Assert.Equal(before, Features(again, images));
    }

    [Fact]
    public void A_sub_network_outlives_the_elastic_model_and_the_model_it_was_made_of()
    {
        using Tensor images = SmallModels.Images(SmallModels.Vit, 3);
        ElasticViT elastic = Elastic(SmallModels.Vit);
        using Subnet subnet = elastic.At(Budget.Ratios(0.4, 0.2));
        float[] before = Features(subnet, images);
        elastic.Dispose();
        Assert.Equal(before, Features(subnet, images));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_materialized_sub_network_has_its_own_contiguous_copy_of_what_it_keeps(string family)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        using ElasticViT elastic = Elastic(a);
        using Subnet views = elastic.At(Budget.Ratios(0.5, 0.5));
        using Subnet copy = elastic.Cut(views.Plan);
        using DisposeScope scope = NewDisposeScope();
        Tensor images = SmallModels.Images(a, 3);
        Tensor features = copy.Embed(images);
        features.ShouldBeWithin(1e-5, views.Embed(images));
        Assert.Equal(views.Plan.Parameters, copy.Model.Weights.Tensors.Values.Sum(tensor => tensor.numel()));
        foreach ((string name, Tensor tensor) in copy.Model.Weights.Tensors)
        {
            Assert.True(tensor.is_contiguous(), name);
            Assert.True(tensor.numel() == 0 || Storages.Address(tensor) != Storages.Address(views.Model.Weights[name]), name);
            views.Model.Weights[name].zero_().Dispose();
        }

        Assert.Equal(features.data<float>().ToArray(), Features(copy, images));
    }

    [Fact]
    public void The_model_it_is_made_of_stays_as_it_was()
    {
        using VisionTransformer original = SmallModels.Create(SmallModels.Vit);
        using VisionTransformer untouched = SmallModels.Create(SmallModels.Vit);
        using (ElasticViT elastic = new(original, SmallModels.Scores(SmallModels.Vit), None))
        using (Subnet whole = elastic.At(Budget.Whole))
        {
            foreach (Tensor tensor in whole.Model.Weights.Tensors.Values)
            {
                tensor.zero_().Dispose();
            }
        }

        Assert.All(original.Weights.Tensors, pair => Assert.True(pair.Value.bytes.SequenceEqual(untouched.Weights[pair.Key].bytes), pair.Key));
    }

    [Fact]
    public void Scores_of_another_architecture_are_refused_with_both_sizes()
    {
        using VisionTransformer model = SmallModels.Create(SmallModels.Vit);
        ImportanceScores other = SmallModels.Scores(SmallModels.Vit with { MlpDim = 20, Heads = 2, HeadDim = 8 });
        SnapViTException exception = Assert.Throws<SnapViTException>(() => new ElasticViT(model, other, None));
        Assert.Contains("expected 3 blocks of 24 neurons and 4 heads, found 3 of 20 and 2", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_was_cut_already_is_refused()
    {
        using VisionTransformer pruned = SmallModels.Create(SmallModels.Vit, SmallModels.Uneven(SmallModels.Vit));
        SnapViTException exception = Assert.Throws<SnapViTException>(() => new ElasticViT(pruned, SmallModels.Scores(SmallModels.Vit), None));
        Assert.Contains("expected an unpruned one, found widths 4h/", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_and_the_scores_made_for_it_open_together()
    {
        string model = SmallModels.Save(Path.Combine(_folder.Root, "model.safetensors"), SmallModels.Vit);
        string scores = SaveScores(ModelFile.Hash(model));
        using ElasticViT elastic = ElasticViT.Open(model, scores);
        using Subnet subnet = elastic.At(Budget.Flops(0.6));
        Assert.InRange(subnet.Plan.Flops, 1, (long)(0.6 * CostModel.Flops(SmallModels.Vit, SmallModels.Vit.FullWidths)));
    }

    [Fact]
    public void Scores_of_another_model_file_are_refused_with_both_hashes()
    {
        string model = SmallModels.Save(Path.Combine(_folder.Root, "model.safetensors"), SmallModels.Vit);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ElasticViT.Open(model, SaveScores("0123")));
        Assert.Equal(
            $"{model}: expected the model that the scores were made for (sha256 0123), found another (sha256 {ModelFile.Hash(model)})", exception.Message);
    }

    [Theory]
    [InlineData("model.pt", "timm")]
    [InlineData("model.bin", "transformers-vit")]
    [InlineData("other.safetensors", "transformers-vit")]
    public void Scores_open_with_the_same_weights_in_another_file(string name, string format)
    {
        string path = SmallModels.Save(Path.Combine(_folder.Root, "first.safetensors"), SmallModels.Vit), other = Path.Combine(_folder.Root, name);
        using LoadedModel model = ModelFile.Load(path);
        string scores = SaveScores(model.Sha256, model.WeightsSha256);
        using (CanonicalArchive archive = ModelFile.OpenCanonical(path))
        {
            StateDictConversion.Write(archive, model.Model.Architecture, model.Model.Widths, StateDictFormats.Named(format), other);
            ModelFile.SaveConfig(other, SmallModels.Config(model.Model));
        }

        Assert.NotEqual(model.Sha256, ModelFile.Hash(other));
        using ElasticViT elastic = ElasticViT.Open(other, scores);
        Assert.Equal(model.WeightsSha256, elastic.Scores.Provenance[ElasticScores.WeightsHash]);
    }

    [Fact]
    public void Scores_of_other_weights_are_refused_with_the_hashes_of_the_weights()
    {
        string first = SmallModels.Save(Path.Combine(_folder.Root, "first.safetensors"), SmallModels.Vit);
        string second = SmallModels.Save(Path.Combine(_folder.Root, "second.safetensors"), SmallModels.Vit, seed: 2);
        using LoadedModel one = ModelFile.Load(first), two = ModelFile.Load(second);
        string scores = SaveScores(one.Sha256, one.WeightsSha256);
        CheckpointFormatException exception = Assert.Throws<CheckpointFormatException>(() => ElasticViT.Open(second, scores));
        Assert.Equal(
            $"{second}: expected the model that the scores were made for (sha256 of its weights {one.WeightsSha256}), "
            + $"found another (sha256 of its weights {two.WeightsSha256})",
            exception.Message);
    }

    private static ElasticViT Elastic(ViTArchitecture architecture)
    {
        using VisionTransformer model = SmallModels.Create(architecture);
        return new ElasticViT(model, SmallModels.Scores(architecture), None);
    }

    private string SaveScores(string modelHash, string? weightsHash = null)
    {
        Dictionary<string, string> provenance = new() { [ElasticScores.ModelHash] = modelHash };
        if (weightsHash is not null)
        {
            provenance[ElasticScores.WeightsHash] = weightsHash;
        }

        string path = Path.Combine(_folder.Root, "scores.safetensors");
        ViTArchitecture a = SmallModels.Vit;
        new ElasticScores(
            SmallModels.Scores(a), ScoreCoefficients.Initial(a.FullWidths), new KeepFloors(), provenance).Save(path);
        return path;
    }

    private static float[] Features(Subnet subnet, Tensor images)
    {
        using Tensor features = subnet.Embed(images);
        return [.. features.data<float>()];
    }

    private static float[] Values(Tensor tensor)
    {
        using Tensor contiguous = tensor.contiguous();
        return [.. contiguous.data<float>()];
    }

    /// <summary>A copy of a model in which the last layers ignore every structure that the widths do not keep.</summary>
    private static VisionTransformer Silenced(VisionTransformer original, ImportanceOrder order, SubnetWidths widths)
    {
        ViTArchitecture a = original.Architecture;
        VisionTransformer copy = new(original.Weights.To(ScalarType.Float32));
        string last = a.Mlp == MlpKind.SwiGlu ? "w3" : "fc2";
        for (int block = 0; block < a.Depth; block++)
        {
            foreach (int head in order.Of(Axis.Heads, block)[widths[block][Axis.Heads]..])
            {
                Zero(copy.Weights[$"blocks.{block}.attn.proj.weight"], head, 1);
            }

            foreach (int neuron in order.Of(Axis.Neurons, block)[widths[block][Axis.Neurons]..])
            {
                Zero(copy.Weights[$"blocks.{block}.mlp.{last}.weight"], neuron, 1);
            }
        }

        return copy;
    }

    private static void Zero(Tensor weight, long firstColumn, long columns)
    {
        using Tensor view = weight.narrow(1, firstColumn, columns);
        view.zero_().Dispose();
    }

    private static void Fill(double[,] scores, Func<int, int, double> value)
    {
        for (int i = 0; i < scores.Length; i++)
        {
            (int block, int index) = (i / scores.GetLength(1), i % scores.GetLength(1));
            scores[block, index] = value(block, index);
        }
    }
}
