using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Tests.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Elastic;

/// <summary>What was planned against what is counted in the model that is cut: in its tensors, its file and its products, not by the formulas.</summary>
[LeakCheck]
public sealed class PlannedCostTests : IDisposable
{
    private readonly TemporaryImages _folder = new();

    public static TheoryData<string> Families => SmallModels.Families;

    private static Budget[] Budgets => [Budget.Flops(0.7), Budget.Parameters(0.6), Budget.FileSize(0.8), Budget.Ratios(0.5, 0.5)];

    private static PlanOptions[] Options => [new(), new() { Allocation = Allocation.Joint }, new() { Allocation = Allocation.JointBalanced }, new() { Align = 8 }];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Families))]
    public void Parameters_and_bytes_are_those_of_the_model_and_of_its_file(string family)
    {
        string path = Path.Combine(_folder.Root, "cut.safetensors");
        ForEachCut(SmallModels.Architecture(family), subnet =>
        {
            Assert.Equal(subnet.Plan.Parameters, subnet.Model.Weights.Tensors.Values.Sum(tensor => tensor.numel()));
            ModelConfig config = SmallModels.Config(subnet.Model);
            ModelFile.Save(path, subnet.Model, config);
            Assert.Equal(new FileInfo(path).Length, ModelFile.Bytes(config));
            using SafetensorsReader written = SafetensorsReader.Open(path);
            Assert.Equal(subnet.Plan.Parameters, written.Tensors.Values.Sum(tensor => tensor.ElementCount));

            string torch = Path.Combine(_folder.Root, "cut.pt");
            ModelFile.Save(torch, subnet.Model, config);
            Assert.Equal(new FileInfo(torch).Length, ModelFile.Bytes(config, torch));
            Assert.Equal(ModelFile.Bytes(config), ModelFile.Bytes(config, path));
            if (config.Architecture is { Position: not PositionEmbedding.Rotary, ProjectionDim: 0 })
            {
                TorchStateDict.Save(torch, subnet.Model);
                Assert.Equal(new FileInfo(torch).Length, TorchStateDict.Bytes(config.Architecture, config.Widths()));
            }
        });
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Flops_are_those_of_the_products_of_one_forward_pass(string family)
    {
        ViTArchitecture a = SmallModels.Architecture(family);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        Tensor image = SmallModels.Images(a, 1);
        ForEachCut(a, subnet =>
        {
            ProductCounter counter = new(a);
            subnet.Model.Tokens(image, counter);
            long pixels = a.Channels * a.PatchSize * a.PatchSize;
            Assert.Equal(subnet.Plan.Flops, counter.Flops + (2L * a.Patches * pixels * a.EmbedDim));
        });
    }

    private static void ForEachCut(ViTArchitecture a, Action<Subnet> check)
    {
        using VisionTransformer model = SmallModels.Create(a);
        using ElasticViT elastic = new(model, SmallModels.Scores(a), new KeepFloors(0, 0));
        foreach (Budget budget in Budgets)
        {
            foreach (PlanOptions how in Options)
            {
                using Subnet subnet = elastic.Cut(elastic.Planner.Plan(budget, how));
                check(subnet);
            }
        }
    }

    /// <summary>Adds up two per multiplication of every linear layer of the blocks, and attention's from the heads that it sees.</summary>
    private sealed class ProductCounter(ViTArchitecture architecture) : IForwardHook
    {
        public long Flops { get; private set; }

        public void Observe(int block, BlockLinear layer, Tensor input, Tensor output)
        {
            // SwiGLU's two first layers have one shape and are seen as one.
            int layers = layer == BlockLinear.Fc1 && architecture.Mlp == MlpKind.SwiGlu ? 2 : 1;
            Flops += layers * 2 * input.numel() * output.shape[^1];
            if (layer == BlockLinear.Qkv)
            {
                long tokens = output.shape[1], width = output.shape[^1] / 3, heads = width / architecture.HeadDim;
                Flops += (2 * 2 * width * tokens * tokens) + (3 * heads * tokens * tokens);
            }
        }
    }
}
