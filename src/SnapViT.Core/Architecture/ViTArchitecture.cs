using System.Text.Json.Serialization;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Architecture;

/// <summary>
/// What a Vision Transformer is, apart from its weights: every fact a model is built from. One row of facts, not a class per family.
/// </summary>
/// <remarks>
/// Letters used everywhere: L blocks, A heads per block, H hidden neurons per MLP, D embedding width, d head width, N tokens, B images.
/// The widths given here are those of the unpruned model; a pruned model is the same architecture with smaller <see cref="SubnetWidths"/>.
/// </remarks>
public sealed record ViTArchitecture
{
    /// <summary>The most patches per side of an image: a bound for files that claim absurd sizes, far above any published model.</summary>
    public const int MaxGrid = 1024;

    /// <summary>The most blocks: a bound for the same files, so that widths of every block can be listed.</summary>
    private const int MaxDepth = 1024;

    /// <summary>The most register tokens, as many as the largest grid has patches: the tokens of an image are counted in an int.</summary>
    private const int MaxRegisterTokens = MaxGrid * MaxGrid;

    /// <summary>Number of transformer blocks, L.</summary>
    public required int Depth { get; init; }

    /// <summary>Embedding width, D: the length of every token.</summary>
    public required int EmbedDim { get; init; }

    /// <summary>Attention heads per block of the unpruned model, A.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of one head, d. In most models D / A.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Hidden neurons per MLP of the unpruned model, H.</summary>
    public required int MlpDim { get; init; }

    /// <summary>Side of a square patch in pixels.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Side of the square input image in pixels; a multiple of <see cref="PatchSize"/>.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Colour channels of the input.</summary>
    public int Channels { get; init; } = 3;

    /// <summary>Classes of the model's own classifier; 0 when it has none.</summary>
    public int Classes { get; init; }

    /// <summary>Whether token 0 is a class token.</summary>
    public bool HasClassToken { get; init; } = true;

    /// <summary>
    /// Whether a distillation token follows the class token, as in distilled DeiT; a second classifier reads it where <see cref="Pooling"/>
    /// says so.
    /// </summary>
    public bool HasDistillationToken { get; init; }

    /// <summary>Register (DINOv2) or storage (DINOv3) tokens after the class token.</summary>
    public int RegisterTokens { get; init; }

    /// <summary>How the MLP of a block is built.</summary>
    public MlpKind Mlp { get; init; } = MlpKind.Standard;

    /// <summary>Activation of a standard MLP; SwiGLU always uses SiLU.</summary>
    public Activation Activation { get; init; } = Activation.GeluErf;

    /// <summary>How positions reach the tokens.</summary>
    public PositionEmbedding Position { get; init; } = PositionEmbedding.AllTokens;

    /// <summary>How one feature vector [B, D] is made of the tokens.</summary>
    public Pooling Pooling { get; init; } = Pooling.ClassToken;

    /// <summary>Whether the final norm is applied to the pooled feature and not to every token (timm's <c>fc_norm</c>, CLIPA).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool NormAfterPool { get; init; }

    /// <summary>Epsilon of every LayerNorm.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-6;

    /// <summary>Whether attention and MLP outputs are scaled per channel before they are added (LayerScale).</summary>
    public bool HasLayerScale { get; init; }

    /// <summary>Whether a LayerNorm stands before the first block (CLIP).</summary>
    public bool HasPreNorm { get; init; }

    /// <summary>Whether the patch embedding has a bias (CLIP's has none).</summary>
    public bool HasPatchBias { get; init; } = true;

    /// <summary>Whether the fused qkv layer has a bias.</summary>
    public bool HasQkvBias { get; init; } = true;

    /// <summary>Width of a final linear projection of the pooled feature (CLIP); 0 when there is none.</summary>
    public int ProjectionDim { get; init; }

    /// <summary>Length of one pooled feature vector: the projection's width, or D.</summary>
    public int FeatureDim => ProjectionDim > 0 ? ProjectionDim : EmbedDim;

    /// <summary>Base of the rotary periods; used with <see cref="PositionEmbedding.Rotary"/> only.</summary>
    public double RotaryBase { get; init; } = 100;

    /// <summary>Patches per side of the image.</summary>
    public int Grid => ImageSize / PatchSize;

    /// <summary>Patch tokens of one image.</summary>
    public int Patches => Grid * Grid;

    /// <summary>Tokens before the patch tokens: class, distillation and register tokens.</summary>
    public int PrefixTokens => (HasClassToken ? 1 : 0) + (HasDistillationToken ? 1 : 0) + RegisterTokens;

    /// <summary>Tokens of one image in every block, N.</summary>
    public int Tokens => PrefixTokens + Patches;

    /// <summary>
    /// First tokens of which the features and the classifier are made, so that the last block computes nothing else: 1 with a class token,
    /// 2 with the distillation token; 0 where all tokens are needed.
    /// </summary>
    [JsonIgnore]
    public int PooledTokens => Pooling switch
    {
        Pooling.ClassAndDistillation => 2,
        Pooling.ClassToken => 1,
        _ => 0,
    };

    /// <summary>Widths of the unpruned model: every block whole.</summary>
    public SubnetWidths FullWidths => SubnetWidths.Uniform(Depth, FullBlock);

    /// <summary>Widths of one block of the unpruned model.</summary>
    [JsonIgnore]
    public BlockWidths FullBlock => AxisTable.Rows.Aggregate(default(BlockWidths), (widths, row) => widths.With(row.Axis, row.Count(this)));

    /// <summary>Checks the facts against each other.</summary>
    /// <returns>This architecture.</returns>
    /// <exception cref="SnapViTException">
    /// A size is not positive, the image is no multiple of the patch, or facts contradict each other; the message lists all violations.
    /// </exception>
    public ViTArchitecture Validated()
    {
        List<string> faults = [];
        foreach ((string name, int value) in new[]
        {
            (nameof(Depth), Depth), (nameof(EmbedDim), EmbedDim), (nameof(Heads), Heads), (nameof(HeadDim), HeadDim),
            (nameof(MlpDim), MlpDim), (nameof(PatchSize), PatchSize), (nameof(ImageSize), ImageSize), (nameof(Channels), Channels),
        })
        {
            Require(value > 0, $"{name} must be positive, found {value}");
        }

        Require(Depth <= MaxDepth, $"{nameof(Depth)} must be at most {MaxDepth}, found {Depth}");
        Require(Classes >= 0, $"{nameof(Classes)} must not be negative, found {Classes}");
        Require(
            RegisterTokens is >= 0 and <= MaxRegisterTokens,
            $"{nameof(RegisterTokens)} must be 0 to {MaxRegisterTokens}, found {RegisterTokens}");
        Require(ProjectionDim >= 0, $"{nameof(ProjectionDim)} must not be negative, found {ProjectionDim}");
        Require(PatchSize <= 0 || ImageSize % PatchSize == 0, $"image size {ImageSize} is no multiple of the patch size {PatchSize}");
        Require(
            PatchSize <= 0 || ImageSize <= (long)MaxGrid * PatchSize,
            $"image size {ImageSize} is more than {MaxGrid} patches of {PatchSize}");
        Require(LayerNormEpsilon > 0, $"{nameof(LayerNormEpsilon)} must be positive, found {LayerNormEpsilon}");
        Require(HasClassToken || Pooling is Pooling.Attention or Pooling.AveragePatches, $"pooling {Pooling} needs a class token");
        Require(HasDistillationToken || Pooling != Pooling.ClassAndDistillation, "ClassAndDistillation pooling needs a distillation token");
        Require(!NormAfterPool || Pooling == Pooling.AveragePatches, "a norm after pooling goes with AveragePatches pooling");
        Require(
            Position != PositionEmbedding.Rotary || HeadDim % 4 == 0,
            $"rotary positions need a head width divisible by 4, found {HeadDim}");
        return faults.Count == 0
            ? this
            : throw new SnapViTException(ErrorKind.Architecture, $"impossible architecture: {string.Join("; ", faults)}");

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }
}
