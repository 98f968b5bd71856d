using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Export;
using SnapViT.Loading;
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

    /// <summary>The class CutBlocks of docs/pytorch.md, line by line.</summary>
    [Theory, LeakCheck]
    [InlineData("vit", true)]
    [InlineData("vit", false)]
    [InlineData("distilled", true)]
    [InlineData("average of patches", true)]
    [InlineData("deit3", false)]
    [InlineData("dinov2", true)]
    [InlineData("siglip", true)]
    public void The_blocks_of_the_page_give_the_tokens_of_a_model_that_is_smaller_on_every_axis(string family, bool everyAxis)
    {
        SubnetWidths widths = everyAxis ? TinyModels.EveryAxis(family) : TinyModels.MergedWithoutHeads(family).With(1, Axis.Neurons, 0);
        using VisionTransformer model = TinyModels.Create(family, widths);
        TorchStateDict.Save(Path, model);
        ModelFile.SaveConfig(Path, ModelConfig.Of(model.Architecture, widths));
        using TorchArchiveReader archive = TorchArchiveReader.Open(Path);
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(System.IO.Path.Combine(_folder.FullName, "model.config.json")));
        using var scope = NewDisposeScope();
        using IDisposable frozen = no_grad();
        int depth = model.Architecture.Depth, width = config.RootElement.GetProperty("Architecture").GetProperty("HeadWidth").GetInt32();
        int prefix = model.Architecture.PrefixTokens;
        int[] allHeads = Kept("Heads", 0), allQ = Kept("QueryKeyDims", width), allV = Kept("ValueDims", width), allLeft = Kept("Tokens", 0);
        Tensor images = TinyModels.Images(model.Architecture, 2), x = model.EmbedTokens(images);
        Tensor size = ones(2, x.shape[1], 1), place = arange(x.shape[1]).expand(2, -1);
        for (int i = 0; i < depth; i++)
        {
            string block = $"blocks.{i}.";
            (Tensor branch, (Tensor, Tensor?) by) = Attend(Norm(x, block + "norm1"), block + "attn.", allHeads[i], allQ[i], allV[i]);
            x += Scaled(branch, block + "ls1.gamma");
            if (prefix < allLeft[i] && allLeft[i] < x.shape[1])
            {
                (x, size, place) = Merge(by, allLeft[i]);
            }

            x += Scaled(Mlp(Norm(x, block + "norm2"), block + "mlp."), block + "ls2.gamma");
        }

        Tensor tokens = x.gather(1, place.unsqueeze(-1).expand(-1, -1, x.shape[^1]));
        Tensor normed = Norm(tokens, "norm");
        normed.ShouldBeWithin(1e-4, model.Tokens(images));
        model.Pool(normed).ShouldBeWithin(1e-4, model.Embed(images));

        int[] Kept(string name, int otherwise) => config.RootElement.TryGetProperty(name, out JsonElement list)
            ? [.. list.EnumerateArray().Select(value => value.GetInt32())]
            : [.. Enumerable.Repeat(otherwise, depth)];
        Tensor Read(string name) => archive.ReadFloat32(name);
        Tensor Scaled(Tensor branch, string name) => archive.Tensors.ContainsKey(name) ? branch * Read(name) : branch;
        Tensor Linear(Tensor input, string name) => F.linear(input, Read(name + ".weight"), Read(name + ".bias"));
        Tensor Norm(Tensor input, string name) => F.layer_norm(input, [24], Read(name + ".weight"), Read(name + ".bias"), 1e-6);
        Tensor Mlp(Tensor input, string name) => Read(name + "fc2.weight").numel() == 0
            ? Read(name + "fc2.bias").expand_as(input)
            : Linear(F.gelu(Linear(input, name + "fc1")), name + "fc2");
        (Tensor Branch, (Tensor Keys, Tensor? Attention) By) Attend(Tensor input, string name, int heads, int q, int v)
        {
            if (heads == 0)
            {
                return (Read(name + "proj.bias").expand_as(input), (input, null));
            }

            Tensor[] parts = [.. Linear(input, name + "qkv").split([heads * q, heads * q, heads * v], -1)
                .Select(part => part.unflatten(2, heads, part.shape[^1] / heads).transpose(1, 2))];
            Tensor logits = (bmm(parts[0].flatten(0, 1), parts[1].flatten(0, 1).transpose(1, 2)) * Math.Pow(width, -0.5)).unflatten(0, 2, heads);
            Tensor weights = (logits + size.log().transpose(1, 2).unsqueeze(1)).softmax(-1);
            Tensor mixed = bmm(weights.flatten(0, 1), parts[2].flatten(0, 1)).unflatten(0, 2, heads);
            Tensor? attention = prefix > 0 ? weights.select(2, 0).mean([1]) : null;
            return (Linear(mixed.transpose(1, 2).flatten(2), name + "proj"), (parts[1].transpose(1, 2).flatten(2), attention));
        }

        (Tensor Tokens, Tensor Sizes, Tensor Places) Merge((Tensor Keys, Tensor? Attention) by, int left)
        {
            Tensor unit = F.normalize(by.Keys, dim: -1);
            (Tensor similarity, Tensor partner) = Evens(unit).bmm(Odds(unit).transpose(1, 2)).max(-1);
            Tensor s = Evens(size).squeeze(2), t = Odds(size).squeeze(2).gather(1, partner);
            Tensor weight = by.Attention is null ? s * t / (s + t) : Evens(by.Attention).sqrt();
            Tensor chosen = ((similarity - 1) * weight).sort(-1, descending: true, stable: true).Indices.narrow(1, 0, x.shape[1] - left);
            Tensor source = prefix + (2 * chosen), target = prefix + 1 + (2 * partner.gather(1, chosen));
            Tensor stays = ones([2, x.shape[1]], ScalarType.Int64).scatter(1, source, zeros_like(source));
            Tensor moved = stays.cumsum(1) - 1;
            moved = moved.scatter(1, source, moved.gather(1, target));
            Tensor sizes = zeros(2, left, 1).scatter_add(1, moved.unsqueeze(-1), size);
            Tensor sums = zeros(2, left, 24).scatter_add(1, moved.unsqueeze(-1).expand_as(x), x * size);
            return (sums / sizes, sizes, moved.gather(1, place));

            Tensor Evens(Tensor all) => all.slice(1, prefix, x.shape[1], 2);
            Tensor Odds(Tensor all) => all.slice(1, prefix + 1, x.shape[1], 2);
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
