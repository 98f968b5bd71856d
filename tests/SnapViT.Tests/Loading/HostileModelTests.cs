using System.Diagnostics;
using System.Numerics;
using CsCheck;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Loading;

namespace SnapViT.Tests.Loading;

/// <summary>Files that are nearly models: whatever their names and shapes say, the answer is a description that is true of them or one named refusal.</summary>
public sealed class HostileModelTests
{
    private static readonly ViTArchitecture Small = new()
    {
        Depth = 2, EmbedDim = 8, Heads = 2, HeadDim = 4, MlpDim = 12, PatchSize = 2, ImageSize = 8, Classes = 5,
    };

    private static readonly (ViTArchitecture Architecture, string StateDictFormat)[] Models =
    [
        (Small, "timm"), (Small, "transformers-vit"),
        (Small with { HasDistillationToken = true, Pooling = Pooling.ClassAndDistillation }, "transformers-deit"),
        (Small with { Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention }, "transformers-siglip"),
        (Small with { Classes = 0, HasClassToken = false, Position = PositionEmbedding.PatchesOnly, Pooling = Pooling.Attention }, "transformers-siglip2"),
        (Small with { Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.Rotary, HasLayerScale = true }, "dinov3"),
        (Small with { Classes = 0, RegisterTokens = 4, Position = PositionEmbedding.ClassAndPatches, HasLayerScale = true, Mlp = MlpKind.SwiGlu }, "dinov2"),
        (Small with { Classes = 0, HasPreNorm = true, HasPatchBias = false, ProjectionDim = 6 }, "open_clip"),
    ];

    private static readonly long[] Sizes = [0, 1, 2, 3, 8, 12, 1 << 20, 1L << 31, (1L << 31) - 1, 1L << 40, 1L << 56];

    private static readonly Gen<long[]> Shape = Gen.OneOf(
        Gen.Long[0, 40],
        Gen.Int[0, Sizes.Length - 1].Select(i => Sizes[i])).Array[0, 5];

    /// <summary>Which tensor is changed, how, and to what.</summary>
    private static readonly Gen<(int At, int How, long[] Shape)> Change = Gen.Select(Gen.Int[0, 200], Gen.Int[0, 4], Shape);

    [Fact]
    public void A_model_with_any_of_its_names_and_shapes_changed_is_refused_by_name_or_described_as_it_is() =>
        Gen.Select(Gen.Int[0, Models.Length - 1], Change.Array[1, 4]).Sample(
            (model, changes) =>
            {
                using ShapesOnly whole = ShapesOnly.Of(Models[model].Architecture, Models[model].StateDictFormat);
                List<TensorEntry> entries = [.. whole.Tensors.Values];
                foreach ((int at, int how, long[] shape) in changes)
                {
                    Apply(entries, at % entries.Count, how, shape);
                }

                using ShapesOnly file = new(entries.DistinctBy(entry => entry.Name));
                Stopwatch watch = Stopwatch.StartNew();
                try
                {
                    ModelDescription description = ModelFile.Describe(file, new ModelHints { Heads = 2, Activation = Activation.GeluErf });
                    Assert.True(CostModel.Parameters(description.Architecture, description.Widths) <= file.Tensors.Values.Sum(entry => (decimal)entry.ElementCount) + 1000);
                }
                catch (CheckpointFormatException refusal)
                {
                    Assert.DoesNotContain('\n', refusal.Message);
                    Assert.True(refusal.Message.Length < 2000, refusal.Message);
                }

                Assert.True(watch.Elapsed < TimeSpan.FromSeconds(1), $"took {watch.Elapsed}");
            },
            iter: 3000,
            threads: 1);

    [Fact]
    public void More_register_tokens_than_can_be_counted_are_refused_by_name()
    {
        using ShapesOnly whole = ShapesOnly.Of(Small with { RegisterTokens = 4, Position = PositionEmbedding.ClassAndPatches }, "dinov2");
        TensorEntry registers = whole.Tensors["register_tokens"];
        using ShapesOnly file = new([.. whole.Tensors.Values.Except([registers]), new TensorEntry(registers.Name, registers.Type, [1, int.MaxValue, 8])]);
        string message = Assert.Throws<CheckpointFormatException>(() => ModelFile.Describe(file, new ModelHints { Heads = 2 })).Message;
        Assert.Contains("RegisterTokens must be 0 to 1048576, found 2147483647", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hundred_thousand_unexpected_names_are_one_line()
    {
        using ShapesOnly whole = ShapesOnly.Of(Small, "timm");
        using ShapesOnly file = new([.. whole.Tensors.Values, .. Enumerable.Range(0, 100_000).Select(i => new TensorEntry($"x{i}\n", TensorType.Float32, [1]))]);
        string message = Assert.Throws<CheckpointFormatException>(() => ModelFile.Describe(file, new ModelHints { Heads = 2 })).Message;
        Assert.Contains("and 99992 more", message, StringComparison.Ordinal);
        Assert.True(message.Length < 1000 && !message.Contains('\n', StringComparison.Ordinal), message);
    }

    private static void Apply(List<TensorEntry> entries, int at, int how, long[] shape)
    {
        TensorEntry entry = entries[at];
        switch (how)
        {
            case 0:
                entries.RemoveAt(at);
                break;
            case 1 when Possible(shape):
                entries[at] = new TensorEntry(entry.Name, entry.Type, shape);
                break;
            case 2:
                entries[at] = new TensorEntry(entry.Name.Replace("0", "7", StringComparison.Ordinal) + "x", entry.Type, entry.Shape);
                break;
            case 3 when entry.Shape.Count > 0 && shape.Length > 0 && Possible([shape[0], .. entry.Shape.Skip(1)]):
                entries[at] = new TensorEntry(entry.Name, entry.Type, [shape[0], .. entry.Shape.Skip(1)]);
                break;
            default:
                entries[at] = new TensorEntry(entry.Name, TensorType.Int8, entry.Shape);
                break;
        }
    }

    private static bool Possible(IEnumerable<long> shape) => shape.Aggregate(BigInteger.One, (product, size) => product * Math.Max(size, 1)) < BigInteger.One << 56;
}
