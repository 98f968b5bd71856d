using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Dialects;

namespace SnapViT.Loading;

/// <summary>
/// The architecture of a published checkpoint: names and shapes of its tensors, then the config beside it, then the tables of dialects and known
/// models (by a published name, else by the sizes), then what the user says. A doubt is an error that says what to pass, never a guess.
/// </summary>
internal sealed partial class ArchitectureInference
{
    private const int RotaryImageSize = 224;

    private readonly CanonicalArchive _archive;
    private readonly PublishedConfig _config;
    private readonly ModelHints _hints;
    private readonly ShapeFacts _shapes;
    private readonly PublishedModel? _published;
    private readonly List<(string Fact, string Source)> _sources = [];

    private ArchitectureInference(CanonicalArchive archive, PublishedConfig config, ModelHints hints)
    {
        (_archive, _config, _hints, _shapes) = (archive, config, hints, new ShapeFacts(archive));
        _published = PublishedName.Known(archive.Path);
        RequireOfThisModel($"{_config.Source} beside it", "hidden_size", _config.Width, _shapes.Width);
        RequireOfThisModel($"{_config.Source} beside it", "num_hidden_layers", _config.Depth, _shapes.Depth);
        RequireOfThisModel($"the name {_published?.Name}", "width", _published?.Width, _shapes.Width);
        RequireOfThisModel($"the name {_published?.Name}", "blocks", _published?.Depth, _shapes.Depth);
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

    private (PositionEmbedding Position, int ImageSize) PositionAndSize()
    {
        if (_shapes.Positions is not null)
        {
            (PositionEmbedding kind, int grid) = PositionInference.Infer(_archive.Path, _shapes, _config.ImageSize ?? _hints.ImageSize);
            return (kind, Sourced("image size", grid * _shapes.PatchSize, "number of positions"));
        }

        return (PositionEmbedding.Rotary, _config.ImageSize is int size ? Sourced("image size", size, _config.Source) : Sourced("image size", RotaryImageSize, "table of dialects (rotary positions fit any)"));
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

    /// <summary>How a row of the table of known models is named as a source.</summary>
    private static string TableOf(string name) => $"table of known models ({name})";

    private void RequireOfThisModel(string source, string fact, int? said, int found)
    {
        if (said is int expected && expected != found)
        {
            throw new CheckpointFormatException(_archive.Path, $"{source} is of another model: expected {fact} {found}, as the tensors have it, found {expected}");
        }
    }

    private T Sourced<T>(string fact, T value, string source)
    {
        _sources.Add(($"{fact} {ModelHints.Text(value)}", source));
        return value;
    }
}
