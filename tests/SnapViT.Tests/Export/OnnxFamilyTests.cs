using System.Text.Json;
using SnapViT.Calibration;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Correction;
using SnapViT.Elastic;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

public sealed class OnnxFamilyTests : IDisposable
{
    private static readonly double[] Ten = [0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("snapvit-family-");

    private string Folder => Path.Combine(_root.FullName, "family");

    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    public void Dispose() => _root.Delete(recursive: true);

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Every_graph_of_every_family_gives_what_its_sub_network_gives(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        using ElasticViT elastic = TinyModels.Elastic(model);
        string[] budgets = ["1:0", "0:1", "0.45:0.3", "0.8", "1.0"];
        Save(elastic, budgets, new OnnxOptions());
        foreach (string budget in budgets)
        {
            ShouldAgree(elastic, budget, 1e-4);
        }
    }

    [Fact, LeakCheck]
    public void Ten_budgets_take_within_a_twentieth_of_one_model()
    {
        using VisionTransformer model = TinyModels.Random(DeitTiny);
        using ElasticViT elastic = TinyModels.Elastic(model);
        string single = Path.Combine(_root.FullName, "single.onnx");
        OnnxExport.Save(single, model, Config(elastic.Planner.Plan(Budget.Whole)));
        OnnxFamilyFiles files = Save(elastic, [.. Ten.Select(share => FormattableString.Invariant($"{share}"))], new OnnxOptions());
        long bytes = Directory.GetFiles(Folder).Sum(file => new FileInfo(file).Length);
        Assert.InRange(bytes, files.TotalBytes, (long)(1.05 * new FileInfo(single).Length));
        Assert.All(files.Members, member => Assert.InRange(member.GraphBytes, 1, 100_000));
        ShouldAgree(elastic, "0.3", 1e-4);
        ShouldAgree(elastic, "1", 1e-4);
    }

    [Theory, LeakCheck]
    [InlineData(OnnxPrecision.Float16, 0.01)]
    [InlineData(OnnxPrecision.Int8, 0.1)]
    public void Smaller_weights_are_shared_as_well(OnnxPrecision precision, double tolerance)
    {
        using VisionTransformer model = TinyModels.Create("deit3");
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(elastic, ["0.45:0.3", "0.8"], new OnnxOptions { Precision = precision });
        ShouldAgree(elastic, "0.45:0.3", tolerance, ofLargest: true);
        ShouldAgree(elastic, "0.8", tolerance, ofLargest: true);
    }

    [Fact, LeakCheck]
    public void Corrected_layers_are_stored_beside_their_own_graph_only()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using ElasticViT elastic = TinyModels.Elastic(model);
        using Subnet plain = elastic.At(Budget.Ratios(0.5, 0.34));
        using Subnet corrected = Corrected(plain);
        OnnxFamilyFiles files = elastic.SaveOnnxFamily(Folder, [("plain", plain), ("corrected", corrected)]);

        Assert.Null(files.Members[0].Own);
        Assert.Equal("corrected.onnx.data", files.Members[1].Own);
        long fc2 = plain.Plan.Widths.Sum(block => (block[Axis.Neurons] + 1L) * 24 * sizeof(float));
        Assert.InRange(files.Members[1].OwnBytes, fc2, fc2 + (6 * 4096));
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        Features("plain", images).ShouldBeWithin(1e-4, plain.Embed(images));
        Features("corrected", images).ShouldBeWithin(1e-4, corrected.Embed(images));
    }

    [Theory, LeakCheck]
    [InlineData("vit")]
    [InlineData("dinov3 huge")]
    public void A_family_corrected_from_moments_gives_what_its_sub_networks_give(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        using CalibrationMoments moments = new(model.Architecture);
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 6);
        moments.Add(model, images);
        using ElasticViT elastic = new(
            model, TinyModels.Scores(model.Architecture), new KeepFloors(0, 0), order => new ElasticCorrection(model.Weights, moments, order, new CorrectionOptions()));
        OnnxFamilyFiles files = Save(elastic, ["0.5:0.34", "1"], new OnnxOptions());
        Assert.True(files.Members[0].OwnBytes > 0);
        Assert.Null(files.Members[1].Own);
        ShouldAgree(elastic, "0.5:0.34", 1e-4);
        ShouldAgree(elastic, "1", 1e-4);
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Members_that_are_smaller_on_every_axis_share_all_weights_and_give_what_their_sub_networks_give(string family)
    {
        ViTArchitecture a = TinyModels.Families[family].Validated();
        SubnetWidths widths = TinyModels.EveryAxis(a);
        using VisionTransformer published = TinyModels.Create(family);
        using VisionTransformer model = new(published.Weights.Map(a.FullWidths, (_, tensor) => tensor.clone(), TinyModels.Pairs(a, widths)));
        SubnetWidths narrower = new(widths.Select(block => block.With(Axis.ValueDims, block[Axis.ValueDims] - 1).With(Axis.Heads, 1)));
        foreach (OnnxPrecision precision in Enum.GetValues<OnnxPrecision>())
        {
            using VisionTransformer rounded = DequantizedModel.Of(model, precision);
            string folder = Path.Combine(_root.FullName, $"{precision}");
            OnnxFamilyFiles files = SaveMembers(folder, model, new OnnxOptions { Precision = precision }, a.FullWidths, widths, narrower);
            Assert.All(files.Members, member => Assert.Null(member.Own));
            string single = Path.Combine(_root.FullName, $"{precision}.onnx");
            OnnxExport.Save(
                single, model, TinyModels.Config(a, a.FullWidths), new OnnxOptions { Precision = precision, InlineLimit = 0 });
            Assert.Equal(new FileInfo(single + OnnxExport.DataSuffix).Length, files.SharedBytes);
            foreach ((SubnetWidths kept, int index) in new[] { a.FullWidths, widths, narrower }.Select((kept, index) => (kept, index)))
            {
                using VisionTransformer twin = new(WeightOrder.Prefix(rounded.Weights, kept));
                using var scope = NewDisposeScope();
                Tensor images = TinyModels.Images(a, 2), expected = twin.Embed(images);
                using OnnxRun run = new(Path.Combine(folder, $"{index}.onnx"));
                Assert.True(expected.abs().max().item<float>() > 0.3);
                run.Run("features", images).ShouldBeWithin(1e-4, expected);
            }
        }
    }

    [Fact, LeakCheck]
    public void Of_a_member_with_fewer_dimensions_a_corrected_projection_alone_is_its_own()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        SubnetWidths widths = TinyModels.EveryAxis("vit");
        using VisionTransformer prefix = new(WeightOrder.Prefix(model.Weights, widths));
        using VisionTransformer corrected = new(prefix.Weights.Map(
            widths, (parameter, tensor) => parameter.Name.EndsWith("attn.proj.weight", StringComparison.Ordinal) ? tensor * 1.25 : tensor.alias()));
        OnnxFamilySubnet member = new(
            "0", corrected, SubnetPlan.Of(model.Architecture, widths), TinyModels.Config(model.Architecture, widths));
        OnnxFamilyFiles files = OnnxFamily.Save(Folder, model, [member]);
        long proj = widths.Sum(block => (long)block[Axis.Heads] * block[Axis.ValueDims] * 24 * sizeof(float));
        Assert.InRange(files.Members[0].OwnBytes, proj, proj + (3 * 4096));
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        Features("0", images).ShouldBeWithin(1e-4, corrected.Embed(images));
    }

    [Fact, LeakCheck]
    public void The_index_lists_the_graphs_with_their_costs()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using ElasticViT elastic = TinyModels.Elastic(model);
        Save(elastic, ["0.6", "1"], new OnnxOptions());
        using JsonDocument index = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, OnnxFamilyFiles.IndexFile)));
        JsonElement[] members = [.. index.RootElement.GetProperty("members").EnumerateArray()];
        Assert.Equal(["0.6.onnx", "1.onnx"], members.Select(member => member.GetProperty("graph").GetString()));
        Assert.Equal(elastic.Planner.Plan(Budget.Flops(0.6)).Flops, members[0].GetProperty("flops").GetInt64());
        Assert.Equal(3, members[0].GetProperty("blocks").GetArrayLength());
    }

    [Fact, LeakCheck]
    public void Names_given_twice_sub_networks_of_another_model_and_full_folders_are_refused_and_leave_nothing()
    {
        using VisionTransformer model = TinyModels.Create("vit"), other = TinyModels.Create("vit", seed: 7);
        using ElasticViT elastic = TinyModels.Elastic(model), another = TinyModels.Elastic(other);
        using Subnet mine = elastic.At(Budget.Flops(0.7)), foreign = another.At(Budget.Flops(0.7));
        Assert.Contains("twice", Refused<SnapViTException>([("a", mine), ("a", mine)]).Message, StringComparison.Ordinal);
        Assert.Contains("sub-networks of the elastic model", Refused<ArgumentException>([("a", foreign)]).Message, StringComparison.Ordinal);
        Assert.Empty(_root.EnumerateFileSystemInfos());

        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Folder).FullName, "mine"), "x");
        Assert.Throws<IOException>(() => elastic.SaveOnnxFamily(Folder, [("a", mine)]));

        T Refused<T>((string, Subnet)[] subnets)
            where T : Exception =>
            Assert.Throws<T>(() => elastic.SaveOnnxFamily(Folder, subnets));
    }

    private static ViTArchitecture DeitTiny => new()
    {
        Depth = 12, EmbedDim = 192, Heads = 3, HeadDim = 64, MlpDim = 768, PatchSize = 16, ImageSize = 224, Classes = 1000,
    };

    private static OnnxFamilyFiles SaveMembers(string folder, VisionTransformer whole, OnnxOptions options, params SubnetWidths[] members)
    {
        List<OnnxFamilySubnet> subnets = [.. members.Select((widths, index) => new OnnxFamilySubnet(
            $"{index}",
            new VisionTransformer(WeightOrder.Prefix(whole.Weights, widths)),
            SubnetPlan.Of(whole.Architecture, widths),
            TinyModels.Config(whole.Architecture, widths)))];
        try
        {
            return OnnxFamily.Save(folder, whole, subnets, options);
        }
        finally
        {
            subnets.ForEach(subnet => subnet.Model.Dispose());
        }
    }

    private OnnxFamilyFiles Save(ElasticViT elastic, string[] budgets, OnnxOptions options)
    {
        List<(string Name, Subnet Subnet)> subnets = [.. budgets.Select(budget => (budget.Replace(':', '-'), elastic.At(Budget.Parse(budget))))];
        try
        {
            return elastic.SaveOnnxFamily(Folder, subnets, options);
        }
        finally
        {
            subnets.ForEach(pair => pair.Subnet.Dispose());
        }
    }

    private void ShouldAgree(ElasticViT elastic, string budget, double tolerance, bool ofLargest = false)
    {
        using var scope = NewDisposeScope();
        using Subnet twin = elastic.At(Budget.Parse(budget));
        Tensor images = TinyModels.Images(twin.Model.Architecture, 2);
        Tensor actual = Features(budget.Replace(':', '-'), images), expected = twin.Embed(images);
        Assert.True(expected.abs().max().item<float>() > 0.3);
        if (ofLargest)
        {
            actual.ShouldBeWithinOfLargest(tolerance, expected);
        }
        else
        {
            actual.ShouldBeWithin(tolerance, expected);
        }
    }

    private Tensor Features(string name, Tensor images)
    {
        using OnnxRun run = new(Path.Combine(Folder, name + ".onnx"));
        return run.Run("features", images);
    }

    /// <summary>A sub-network whose fc2 layers have weights and biases of their own, as a correction gives them.</summary>
    private static Subnet Corrected(Subnet subnet) => new(
        new VisionTransformer(subnet.Model.Weights.Map(subnet.Plan.Widths, (parameter, tensor) =>
            parameter.Name.Contains(".fc2.", StringComparison.Ordinal) ? tensor * 1.25 : tensor.alias())),
        subnet.Plan,
        subnet.Source,
        "none");

    private static ModelConfig Config(SubnetPlan plan) => TinyModels.Config(plan.Architecture, plan.Widths);
}
