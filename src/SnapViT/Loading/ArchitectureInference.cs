using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Dialects;

namespace SnapViT.Loading;

/// <summary>
/// The architecture of a published checkpoint: names and shapes of its tensors, then the config beside it, then the tables of dialects and known
/// models, then what the user says. A doubt is an error that says what to pass, never a guess.
/// </summary>
internal sealed class ArchitectureInference
{
    private const int RotaryImageSize = 224;
    private const double EpsilonOfDinoV3AndClip = 1e-5;

    private readonly CanonicalArchive _archive;
    private readonly PublishedConfig _config;
    private readonly ModelHints _hints;
    private readonly ShapeFacts _shapes;
    private readonly List<(string Fact, string Source)> _sources = [];

    private ArchitectureInference(CanonicalArchive archive, PublishedConfig config, ModelHints hints)
    {
        (_archive, _config, _hints, _shapes) = (archive, config, hints, new ShapeFacts(archive));
        RequireOfThisModel("hidden_size", _config.Width, _shapes.Width);
        RequireOfThisModel("num_hidden_layers", _config.Depth, _shapes.Depth);
    }

    /// <summary>Infers the architecture at the file's own image size.</summary>
    /// <param name="archive">The checkpoint; its names and shapes only are read.</param>
    /// <param name="config">What the config files beside it say.</param>
    /// <param name="hints">What the user says.</param>
    /// <exception cref="CheckpointFormatException">It is no Vision Transformer, sources contradict each other, or a fact is in doubt.</exception>
    public static ModelDescription Infer(CanonicalArchive archive, PublishedConfig config, ModelHints hints) => new ArchitectureInference(archive, config, hints).Describe();

    private ModelDescription Describe()
    {
        _sources.Add(("names", $"dialect {_archive.Dialect.Name}{(_archive.Prefix.Length > 0 ? $", prefix {_archive.Prefix}" : "")}"));
        _sources.Add(("depth, widths, tokens, MLP, classes", "names and shapes of the tensors"));
        (int hidden, int heads) = HiddenAndHeads();
        (PositionEmbedding position, int imageSize) = PositionAndSize();
        ViTArchitecture architecture = new()
        {
            Depth = _shapes.Depth,
            Width = _shapes.Width,
            Heads = heads,
            HeadWidth = _shapes.Width / heads,
            Hidden = hidden,
            PatchSize = _shapes.PatchSize,
            ImageSize = imageSize,
            Channels = _shapes.Channels,
            Classes = _shapes.Classes,
            HasClassToken = _shapes.Has("cls_token"),
            HasDistillationToken = _shapes.Has("dist_token"),
            RegisterTokens = _shapes.Registers,
            Mlp = _shapes.Mlp,
            Activation = Activation(),
            Position = position,
            Pooling = PoolingKind(),
            LayerNormEpsilon = Epsilon(position),
            HasLayerScale = _shapes.Has("blocks.0.ls1.gamma"),
            HasPreNorm = _shapes.Has("norm_pre.weight"),
            HasPatchBias = _shapes.Has("patch_embed.proj.bias"),
            HasQkvBias = _shapes.Has("blocks.0.attn.qkv.bias"),
            ProjectionWidth = _shapes.ProjectionWidth,
            RotaryBase = _config.RotaryBase ?? 100,
        };
        Validated(architecture);
        return new ModelDescription(architecture, Widths(architecture), _sources) { Preprocessing = Preprocessing(architecture), Beside = _archive.Beside };
    }

    private (int Hidden, int Heads) HiddenAndHeads()
    {
        int largest = _shapes.PoolNeurons ?? _shapes.Neurons.Max();
        (string Name, int Hidden, int Heads)? known = KnownModels.FindUnpruned(_shapes.Width, _shapes.Depth, _shapes.Mlp) is (string, int, int) row
            && (row.Item2 == largest || (_shapes.IsPruned && row.Item2 > largest)) ? row : null;
        int hidden = _shapes.IsPruned ? known?.Hidden ?? largest : largest;
        if (_shapes.IsPruned)
        {
            string source = hidden == _shapes.PoolNeurons ? "shapes of the attention pool, which is never cut"
                : known is (string name, _, _) ? $"table of known models ({name})"
                : "its widest block";
            _sources.Add((string.Create(CultureInfo.InvariantCulture, $"neurons of the unpruned model {hidden}"), source));
        }

        return (hidden, Heads(known));
    }

    private int Heads((string Name, int Hidden, int Heads)? known)
    {
        if (_config.Heads is int configured)
        {
            return Sourced("heads", RequireHeads(ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, configured, _config.Source), _config.Source), _config.Source);
        }

        return _hints.Heads is int passed ? Sourced("heads", RequireHeads(passed, "--num-heads"), "--num-heads")
            : known is (string name, _, int heads) ? Sourced("heads", heads, $"table of known models ({name})")
            : throw new CheckpointFormatException(
                _archive.Path,
                $"width {_shapes.Width}, {_shapes.Depth} blocks and {_shapes.Neurons.Max()} neurons fit no known model; pass --num-heads, the attention heads per block");
    }

    private int RequireHeads(int heads, string source) => heads > 0 && _shapes.Width % heads == 0
        ? heads
        : throw new CheckpointFormatException(_archive.Path, $"{source}: expected heads that divide the width {_shapes.Width}, found {heads}");

    private (PositionEmbedding Position, int ImageSize) PositionAndSize()
    {
        if (_shapes.Positions is not null)
        {
            (PositionEmbedding kind, int grid) = PositionInference.Infer(_archive.Path, _shapes, _config.ImageSize ?? _hints.ImageSize);
            return (kind, Sourced("image size", grid * _shapes.PatchSize, "number of positions"));
        }

        return (PositionEmbedding.Rotary, _config.ImageSize is int size ? Sourced("image size", size, _config.Source) : Sourced("image size", RotaryImageSize, "table of dialects (rotary positions fit any)"));
    }

    private Activation Activation()
    {
        if (_shapes.Mlp == MlpKind.SwiGlu)
        {
            return Core.Architecture.Activation.GeluErf;
        }

        if (_config.Activation is string name)
        {
            Activation known = PublishedConfig.ActivationOf(name)
                ?? throw new CheckpointFormatException(_archive.Path, $"{_config.Source}: expected an activation gelu, gelu_pytorch_tanh or quick_gelu, found '{name}'");
            return Sourced("activation", ModelHints.Agreed(_archive.Path, "--activation", _hints.Activation, known, _config.Source), _config.Source);
        }

        return _hints.Activation is Activation passed ? Sourced("activation", passed, "--activation")
            : KnownActivation() is Activation table ? Sourced("activation", table, $"table of dialects ({_archive.Dialect.Name})")
            : throw new CheckpointFormatException(
                _archive.Path, "models of this kind differ in their activation and no config.json beside the file says it; pass --activation gelu-erf, gelu-tanh or quick-gelu");
    }

    /// <summary>CLIP differs by publisher (OpenAI: quick GELU); SigLIP in timm by size, and only two sizes are certain: B and gopt.</summary>
    private Activation? KnownActivation()
    {
        bool fromTimm = _archive.Dialect.Rules.Any(rule => rule.File[0] == "attn_pool.latent");
        return _shapes.Has("norm_pre.weight") ? null
            : fromTimm && _shapes.Has("attn_pool.latent") ? (_shapes.Width, _shapes.Depth) switch
            {
                (768, 12) => Core.Architecture.Activation.GeluErf,
                (1536, 40) => Core.Architecture.Activation.GeluTanh,
                _ => null,
            }
            : _archive.Dialect.Activation;
    }

    private Pooling PoolingKind() =>
        _shapes.Has("attn_pool.latent") ? Pooling.Attention
        : _config.AveragesPatches || !_shapes.Has("cls_token") ? Pooling.AveragePatches
        : _shapes.Has("dist_token") ? Pooling.ClassAndDistillation
        : Pooling.ClassToken;

    private double Epsilon(PositionEmbedding position) => _config.LayerNormEpsilon is double configured
        ? Sourced("LayerNorm epsilon", configured, _config.Source)
        : Sourced(
            "LayerNorm epsilon",
            position == PositionEmbedding.Rotary || _shapes.Has("norm_pre.weight") ? EpsilonOfDinoV3AndClip : _archive.Dialect.LayerNormEpsilon,
            $"table of dialects ({_archive.Dialect.Name})");

    private SubnetWidths Widths(ViTArchitecture a) => new(Enumerable.Range(0, a.Depth).Select(block => new BlockWidths(BlockHeads(a, block), BlockNeurons(a, block))));

    private int BlockHeads(ViTArchitecture a, int block) => _shapes.AttentionWidths[block] is int columns && columns % a.HeadWidth == 0 && columns <= a.Width
        ? columns / a.HeadWidth
        : throw new CheckpointFormatException(
            _archive.Path,
            $"expected a multiple of the head width {a.HeadWidth} up to {a.Width}, found {_shapes.AttentionWidths[block]} columns",
            _archive.NameInFile($"blocks.{block}.attn.proj.weight"));

    private int BlockNeurons(ViTArchitecture a, int block) => _shapes.Neurons[block] <= a.Hidden
        ? _shapes.Neurons[block]
        : throw new CheckpointFormatException(_archive.Path, $"block {block}: expected at most {a.Hidden} neurons, found {_shapes.Neurons[block]}");

    /// <summary>What the config says; else the published settings of those families that have one setting for all of their models.</summary>
    private Data.Preprocessing? Preprocessing(ViTArchitecture a)
    {
        string? family = a.Position == PositionEmbedding.Rotary ? "dinov3"
            : a.Pooling == Pooling.Attention ? "siglip"
            : a.Pooling == Pooling.ClassAndDistillation ? "deit"
            : a is { Position: PositionEmbedding.PatchesOnly, HasClassToken: true, HasLayerScale: true, RegisterTokens: 0 } ? "deit3"
            : null;
        return _config.Preprocessing is not null ? Sourced("preprocessing", _config.Preprocessing, _config.PreprocessingSource)
            : family is not null ? Sourced("preprocessing", Data.Preprocessing.Named(family, a.ImageSize), "table of known models")
            : null;
    }

    private void Validated(ViTArchitecture architecture)
    {
        try
        {
            architecture.Validated();
        }
        catch (ArgumentException exception)
        {
            throw new CheckpointFormatException(_archive.Path, exception.Message, innerException: exception);
        }
    }

    private void RequireOfThisModel(string fact, int? configured, int found)
    {
        if (configured is int expected && expected != found)
        {
            throw new CheckpointFormatException(_archive.Path, $"{_config.Source} beside it is of another model: expected {fact} {found}, as the tensors have it, found {expected}");
        }
    }

    private T Sourced<T>(string fact, T value, string source)
    {
        string text = value is Data.Preprocessing preprocessing ? preprocessing.Describe() : string.Create(CultureInfo.InvariantCulture, $"{value}");
        _sources.Add(($"{fact} {text}", source));
        return value;
    }
}
