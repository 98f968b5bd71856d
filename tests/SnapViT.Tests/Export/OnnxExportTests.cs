using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using static TorchSharp.torch;

namespace SnapViT.Tests.Export;

public sealed class OnnxExportTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("snapvit-onnx-");

    private string Graph => Path.Combine(_folder.FullName, "model.onnx");

    public static TheoryData<string> Families => [.. TinyModels.Families.Keys];

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void A_model_of_every_family_gives_the_same_numbers_in_onnx_runtime(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        OnnxExport.Save(Graph, model, Config(model));
        ShouldAgree(model, 1e-4);
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void A_pruned_model_of_every_family_gives_the_same_numbers_whatever_its_blocks_keep(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.Uneven(family));
        OnnxExport.Save(Graph, model, Config(model));
        ShouldAgree(model, 1e-4);
    }

    // Merging chooses pairs: where two similarities nearly agree, two engines may choose differently. Among these random keys, no two are
    // as near as rounding; a change of the weights may need another seed.
    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void A_model_that_is_smaller_on_every_axis_gives_the_same_numbers(string family)
    {
        foreach (SubnetWidths widths in new[] { TinyModels.EveryAxis(family), TinyModels.MergedWithoutHeads(family) })
        {
            using VisionTransformer model = TinyModels.Create(family, widths);
            OnnxExport.Save(Graph, model, Config(model));
            ShouldAgree(model, 1e-4);
        }
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Smaller_weights_of_a_model_that_is_smaller_on_every_axis_give_what_their_twin_gives(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.EveryAxis(family));
        foreach (OnnxPrecision precision in new[] { OnnxPrecision.Float16, OnnxPrecision.Int8 })
        {
            OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Precision = precision });
            using VisionTransformer twin = DequantizedModel.Of(model, precision);
            ShouldAgree(twin, 1e-4);
        }
    }

    [Fact, LeakCheck]
    public void Equal_similarities_are_merged_in_the_order_of_their_places()
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.EveryAxis("vit"));
        using var scope = NewDisposeScope();

        // Every key is (1, 0, 0, ...): all similarities are exactly 1, while the tokens differ.
        model.Weights["blocks.0.attn.qkv.weight"].select(1, 1).zero_();
        Tensor bias = model.Weights["blocks.0.attn.qkv.bias"].select(1, 1);
        bias.zero_();
        bias.narrow(1, 0, 1).fill_(1);
        OnnxExport.Save(Graph, model, Config(model));
        ShouldAgree(model, 1e-4);
    }

    [Fact, LeakCheck]
    public void The_batch_is_free()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        OnnxExport.Save(Graph, model, Config(model));
        using OnnxRun run = new(Graph);
        foreach (int count in new[] { 1, 2, 7 })
        {
            using var scope = NewDisposeScope();
            Tensor images = TinyModels.Images(model.Architecture, count);
            run.Run("logits", images).ShouldBeWithin(1e-4, model.Logits(images));
        }
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Half_precision_weights_cost_less_than_a_hundredth_of_the_largest_value(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Precision = OnnxPrecision.Float16 });
        ShouldAgree(model, 0.01, ofLargest: true);
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void Eight_bit_weights_give_exactly_the_model_of_the_rounded_weights(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.Uneven(family));
        OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Precision = OnnxPrecision.Int8 });
        using VisionTransformer rounded = new(model.Weights.Map(model.Widths, Rounded));
        ShouldAgree(rounded, 1e-4);
    }

    [Theory, LeakCheck, MemberData(nameof(Families))]
    public void The_twin_of_smaller_weights_gives_what_the_graph_gives(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.Uneven(family));
        foreach (OnnxPrecision precision in Enum.GetValues<OnnxPrecision>())
        {
            OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Precision = precision });
            using VisionTransformer twin = DequantizedModel.Of(model, precision);
            ShouldAgree(twin, 1e-4);
        }
    }

    [Fact, LeakCheck]
    public void Halved_and_eight_bit_weights_make_files_of_half_and_quarter_the_size()
    {
        using VisionTransformer model = TinyModels.Create("wide");
        long Size(OnnxPrecision precision)
        {
            OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Precision = precision });
            return new FileInfo(Graph).Length;
        }

        long full = Size(OnnxPrecision.Float32);
        Assert.InRange(Size(OnnxPrecision.Float16) / (double)full, 0.49, 0.53);
        Assert.InRange(Size(OnnxPrecision.Int8) / (double)full, 0.25, 0.29);
    }

    [Theory, LeakCheck]
    [InlineData(OnnxPrecision.Float32)]
    [InlineData(OnnxPrecision.Float16)]
    [InlineData(OnnxPrecision.Int8)]
    public void Weights_beyond_the_limit_stand_in_a_file_beside_the_graph(OnnxPrecision precision)
    {
        using VisionTransformer model = TinyModels.Create("dinov3 huge");
        OnnxOptions options = new() { Precision = precision };
        OnnxExport.Save(Graph, model, Config(model), options);
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        Tensor inside = Features(Graph, images);

        string beside = Path.Combine(_folder.FullName, "beside.onnx");
        IReadOnlyList<string> files = OnnxExport.Save(beside, model, Config(model), options with { InlineLimit = 0 });
        Assert.Equal([beside, beside + ".data"], files);
        Features(beside, images).ShouldBeWithin(0, inside);
        Assert.True(new FileInfo(beside).Length < 40_000);
    }

    [Fact, LeakCheck]
    public void Only_the_outputs_asked_for_are_there()
    {
        using VisionTransformer model = TinyModels.Create("distilled");
        Assert.Equal(["features", "logits"], Outputs(OnnxOutputs.All).Order(StringComparer.Ordinal));
        Assert.Equal(["features"], Outputs(OnnxOutputs.Features));
        Assert.Equal(["logits"], Outputs(OnnxOutputs.Logits));

        string[] Outputs(OnnxOutputs outputs)
        {
            OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Outputs = outputs });
            using OnnxRun run = new(Graph);
            return [.. run.Outputs];
        }
    }

    [Fact, LeakCheck]
    public void Logits_of_a_model_without_a_classifier_are_refused()
    {
        using VisionTransformer model = TinyModels.Create("clip");
        SnapViTException refused = Assert.Throws<SnapViTException>(() =>
            OnnxExport.Save(Graph, model, Config(model), new OnnxOptions { Outputs = OnnxOutputs.Logits }));
        Assert.Contains("no classifier", refused.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.GetFiles());
    }

    [Fact, LeakCheck]
    public void A_weight_that_half_precision_cannot_hold_is_refused()
    {
        using VisionTransformer model = TinyModels.Create("vit");
        using VisionTransformer large = new(model.Weights.Map(model.Widths, (parameter, tensor) =>
            parameter.Name == "blocks.1.mlp.fc2.weight" ? full(tensor.shape, 70_000f) : tensor.clone()));
        SnapViTException refused = Assert.Throws<SnapViTException>(() =>
            OnnxExport.Save(Graph, large, Config(large), new OnnxOptions { Precision = OnnxPrecision.Float16 }));
        Assert.Contains("blocks.1.mlp.fc2.weight", refused.Message, StringComparison.Ordinal);
    }

    [Fact, LeakCheck]
    public void The_metadata_hold_widths_preprocessing_and_provenance()
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.Uneven("vit"));
        OnnxExport.Save(Graph, model, Config(model));
        using OnnxRun run = new(Graph);
        ModelConfig read = ModelConfig.FromJson(run.Metadata[ModelConfig.MetadataKey]);
        Assert.Equal(TinyModels.Uneven("vit"), read.Widths());
        Assert.Equal(Preprocessing.Named("deit", 32), read.Preprocessing);
        Assert.Equal("a test", read.Provenance["model"]);
    }

    [Fact, LeakCheck]
    public void The_same_model_gives_the_same_bytes()
    {
        using VisionTransformer model = TinyModels.Create("siglip");
        OnnxExport.Save(Graph, model, Config(model));
        byte[] first = File.ReadAllBytes(Graph);
        OnnxExport.Save(Graph, model, Config(model));
        Assert.Equal(first, File.ReadAllBytes(Graph));
    }

    private void ShouldAgree(VisionTransformer model, double tolerance, bool ofLargest = false)
    {
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 3);
        using OnnxRun run = new(Graph);
        Compare(run.Run("features", images), model.Embed(images));
        if (model.Architecture.Classes > 0)
        {
            Compare(run.Run("logits", images), model.Logits(images));
        }

        void Compare(Tensor actual, Tensor expected)
        {
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
    }

    private static Tensor Features(string path, Tensor images)
    {
        using OnnxRun run = new(path);
        return run.Run("features", images);
    }

    /// <summary>Every weight of a linear layer or convolution rounded by hand: per output channel to 127 steps of its largest value.</summary>
    private static Tensor Rounded(ParameterSpec parameter, Tensor tensor)
    {
        string name = parameter.Name;
        bool matrix = name.EndsWith(".weight", StringComparison.Ordinal) && !name.Contains("norm", StringComparison.Ordinal);
        if (!matrix || tensor.numel() == 0)
        {
            return tensor.clone();
        }

        long inputs = name.StartsWith("patch_embed", StringComparison.Ordinal) || name.EndsWith("attn.proj.weight", StringComparison.Ordinal)
            ? tensor.numel() / tensor.shape[0]
            : tensor.shape[^1];
        using var scope = NewDisposeScope();
        Tensor rows = tensor.reshape(-1, inputs);
        Tensor step = rows.abs().amax([1], keepdim: true) / 127;
        return (rows.div(step).round() * step).reshape(tensor.shape).clone().MoveToOuterDisposeScope();
    }

    private static ModelConfig Config(VisionTransformer model) => TinyModels.Config(model.Architecture, model.Widths) with
    {
        Preprocessing = Preprocessing.Named("deit", model.Architecture.ImageSize),
        Provenance = new Dictionary<string, string> { ["model"] = "a test" },
    };
}
