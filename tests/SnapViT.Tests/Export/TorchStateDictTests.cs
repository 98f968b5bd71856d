using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Export;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace SnapViT.Tests.Export;

public sealed class TorchStateDictTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("snapvit-pt-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "model.pt");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory, LeakCheck]
    [InlineData("vit")]
    [InlineData("distilled")]
    [InlineData("deit3")]
    [InlineData("dinov2")]
    [InlineData("siglip")]
    public void The_file_holds_exactly_timm_s_tensors(string family)
    {
        using VisionTransformer model = TinyModels.Create(family, TinyModels.Uneven(family));
        TorchStateDict.Save(Path, model);
        using TorchArchiveReader archive = TorchArchiveReader.Open(Path);
        ParameterTable table = ParameterTable.For(model.Architecture, model.Widths);
        Assert.Equal(table.Select(parameter => parameter.Name).Order(StringComparer.Ordinal), archive.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.All(table, parameter => Assert.Equal(parameter.Shape, archive.Tensors[parameter.Name].Shape));
    }

    [Fact, LeakCheck]
    public void Swiglu_s_gate_comes_before_its_value_in_one_layer()
    {
        using VisionTransformer model = TinyModels.Create("dinov2 giant", TinyModels.Uneven("dinov2 giant"));
        TorchStateDict.Save(Path, model);
        using TorchArchiveReader archive = TorchArchiveReader.Open(Path);
        using var scope = NewDisposeScope();
        Tensor packed = archive.ReadFloat32("blocks.0.mlp.fc1.weight");
        packed.ShouldBeWithin(0, cat([model.Weights["blocks.0.mlp.w1.weight"], model.Weights["blocks.0.mlp.w2.weight"]], 0));
        archive.ReadFloat32("blocks.0.mlp.fc2.bias").ShouldBeWithin(0, model.Weights["blocks.0.mlp.w3.bias"]);
    }

    [Fact, LeakCheck]
    public void Queries_come_before_keys_before_values()
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.Uneven("vit"));
        TorchStateDict.Save(Path, model);
        using TorchArchiveReader archive = TorchArchiveReader.Open(Path);
        using var scope = NewDisposeScope();
        Tensor rows = archive.ReadFloat32("blocks.0.attn.qkv.weight"), kept = model.Weights["blocks.0.attn.qkv.weight"];
        for (int part = 0; part < 3; part++)
        {
            for (int head = 0; head < 2; head++)
            {
                rows.narrow(0, (part * 16) + (head * 8), 8).ShouldBeWithin(0, kept[head, part]);
            }
        }
    }

    /// <summary>What docs/pytorch.md does in Python, call by call, with the same native kernels.</summary>
    [Fact, LeakCheck]
    public void Timm_s_forward_pass_over_the_file_gives_the_model_s_logits()
    {
        using VisionTransformer model = TinyModels.Create("vit", TinyModels.Uneven("vit"));
        TorchStateDict.Save(Path, model);
        using TorchArchiveReader archive = TorchArchiveReader.Open(Path);
        using var scope = NewDisposeScope();
        Tensor images = TinyModels.Images(model.Architecture, 2);
        Tensor x = F.conv2d(images, Read("patch_embed.proj.weight"), Read("patch_embed.proj.bias"), strides: [8, 8]).flatten(2).transpose(1, 2);
        x = cat([Read("cls_token").expand(2, -1, -1), x], 1) + Read("pos_embed");
        for (int block = 0; block < 3; block++)
        {
            string prefix = $"blocks.{block}.";
            x = x + Attend(Norm(x, prefix + "norm1"), prefix + "attn.");
            x = x + Linear(F.gelu(Linear(Norm(x, prefix + "norm2"), prefix + "mlp.fc1")), prefix + "mlp.fc2");
        }

        Linear(Norm(x, "norm")[TensorIndex.Colon, 0], "head").ShouldBeWithin(1e-4, model.Logits(images));

        Tensor Read(string name) => archive.ReadFloat32(name);
        Tensor Linear(Tensor input, string name) => F.linear(input, Read(name + ".weight"), Read(name + ".bias"));
        Tensor Norm(Tensor input, string name) => F.layer_norm(input, [24], Read(name + ".weight"), Read(name + ".bias"), 1e-6);
        Tensor Attend(Tensor input, string prefix)
        {
            if (Read(prefix + "proj.weight").numel() == 0)
            {
                return Read(prefix + "proj.bias").expand_as(input);
            }

            Tensor parts = Linear(input, prefix + "qkv").unflatten(2, 3, -1, 8).permute(2, 0, 3, 1, 4);
            return Linear(F.scaled_dot_product_attention(parts[0], parts[1], parts[2]).transpose(1, 2).flatten(2), prefix + "proj");
        }
    }

    [Theory, LeakCheck]
    [InlineData("dinov3")]
    [InlineData("clip")]
    public void Families_that_timm_builds_otherwise_are_refused(string family)
    {
        using VisionTransformer model = TinyModels.Create(family);
        SnapViTException refused = Assert.Throws<SnapViTException>(() => TorchStateDict.Save(Path, model));
        Assert.Contains("timm builds otherwise", refused.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.GetFiles());
    }
}
