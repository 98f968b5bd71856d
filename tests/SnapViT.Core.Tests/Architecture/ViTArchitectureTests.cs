using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Tests.Architecture;

public sealed class ViTArchitectureTests
{
    private static readonly ViTArchitecture Good = new()
    {
        Depth = 12, EmbedDim = 192, Heads = 3, HeadDim = 64, MlpDim = 768, PatchSize = 16, ImageSize = 224, Classes = 1000,
    };

    public static TheoryData<string, ViTArchitecture> Violations { get; } = new()
    {
        { "Depth must be positive, found 0", Good with { Depth = 0 } },
        { "Depth must be at most 1024, found 2147483647", Good with { Depth = int.MaxValue } },
        { "EmbedDim must be positive, found -1", Good with { EmbedDim = -1 } },
        { "Heads must be positive, found 0", Good with { Heads = 0 } },
        { "HeadDim must be positive, found 0", Good with { HeadDim = 0 } },
        { "MlpDim must be positive, found 0", Good with { MlpDim = 0 } },
        { "PatchSize must be positive, found 0", Good with { PatchSize = 0 } },
        { "ImageSize must be positive, found 0", Good with { ImageSize = 0 } },
        { "Channels must be positive, found 0", Good with { Channels = 0 } },
        { "Classes must not be negative, found -1", Good with { Classes = -1 } },
        { "RegisterTokens must be 0 to 1048576, found -2", Good with { RegisterTokens = -2 } },
        { "RegisterTokens must be 0 to 1048576, found 2147483647", Good with { RegisterTokens = int.MaxValue } },
        { "ProjectionDim must not be negative, found -3", Good with { ProjectionDim = -3 } },
        { "image size 225 is no multiple of the patch size 16", Good with { ImageSize = 225 } },
        { "image size 16400 is more than 1024 patches of 16", Good with { ImageSize = 16400 } },
        { "LayerNormEpsilon must be positive, found 0", Good with { LayerNormEpsilon = 0 } },
        { "LayerNormEpsilon must be positive, found NaN", Good with { LayerNormEpsilon = double.NaN } },
        { "pooling ClassToken needs a class token", Good with { HasClassToken = false } },
        { "a norm after pooling goes with AveragePatches pooling", Good with { NormAfterPool = true } },
        { "ClassAndDistillation pooling needs a distillation token", Good with { Pooling = Pooling.ClassAndDistillation } },
        { "rotary positions need a head width divisible by 4, found 6", Good with { Position = PositionEmbedding.Rotary, HeadDim = 6 } },
    };

    [Theory]
    [MemberData(nameof(Violations), DisableDiscoveryEnumeration = true)]
    public void A_violation_is_the_whole_message(string message, ViTArchitecture architecture) =>
        Assert.Equal($"impossible architecture: {message}", Assert.Throws<SnapViTException>(() => architecture.Validated()).Message);

    [Fact]
    public void All_violations_are_listed_in_one_line()
    {
        ViTArchitecture wrong = Good with { Depth = 0, Heads = -4, Classes = -1, ImageSize = 100, LayerNormEpsilon = -1, HasClassToken = false };
        Assert.Equal(
            "impossible architecture: Depth must be positive, found 0; Heads must be positive, found -4; Classes must not be negative, found -1; "
            + "image size 100 is no multiple of the patch size 16; LayerNormEpsilon must be positive, found -1; pooling ClassToken needs a class token",
            Assert.Throws<SnapViTException>(() => wrong.Validated()).Message);
    }

    [Fact]
    public void A_possible_architecture_is_returned_itself()
    {
        Assert.Same(Good, Good.Validated());
        foreach (Pooling pooling in new[] { Pooling.Attention, Pooling.AveragePatches })
        {
            Assert.Equal(pooling, (Good with { HasClassToken = false, Pooling = pooling }).Validated().Pooling);
        }
    }

    [Fact]
    public void Tokens_are_prefix_and_patches()
    {
        Assert.Equal((14, 196, 1, 197), (Good.Grid, Good.Patches, Good.PrefixTokens, Good.Tokens));
        Assert.Equal(202, (Good with { HasDistillationToken = true, RegisterTokens = 4 }).Tokens);
        Assert.Equal(196, (Good with { HasClassToken = false }).Tokens);
        Assert.Equal(SubnetWidths.Uniform(12, Widths.Block(3, 768)).In(Good), Good.FullWidths);
    }
}
