using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;

namespace SnapViT.Loading;

/// <summary>
/// The architecture of a published checkpoint: names and shapes of its tensors, then the config beside it, then the tables of formats and
/// known models (by a published name, else by the sizes), then what the user says. A doubt is an error that says what to pass, never a
/// guess.
/// </summary>
internal sealed class ArchitectureInference
{
    private const int RotaryImageSize = 224;
    private const double DefaultRotaryBase = 100;

    private readonly CanonicalArchive _archive;
    private readonly PublishedConfig _config;
    private readonly ModelHints _hints;
    private readonly ShapeFacts _shapes;
    private readonly PublishedModel? _published;
    private readonly List<(string Fact, string Source)> _sources = [];
    private readonly List<string> _assumptions = [];

    private ArchitectureInference(CanonicalArchive archive, PublishedConfig config, ModelHints hints)
    {
        (_archive, _config, _hints, _shapes) = (archive, config, hints, new ShapeFacts(archive));
        _published = PublishedName.Known(archive.Path);
        RequireOfThisModel($"{_config.Source} beside it", "hidden_size", _config.Width, _shapes.Width);
        RequireOfThisModel($"{_config.Source} beside it", "num_hidden_layers", _config.Depth, _shapes.Depth);
        RequireOfThisModel($"{_config.Source} beside it", "patch_size", _config.PatchSize, _shapes.PatchSize);
        if (_shapes is { IsPruned: false, Mlp: MlpKind.Standard })
        {
            RequireOfThisModel($"{_config.Source} beside it", "intermediate_size", _config.MlpDim, _shapes.Neurons[0]);
        }

        RequireOfThisModel($"the name {_published?.Name}", "width", _published?.Width, _shapes.Width);
        RequireOfThisModel($"the name {_published?.Name}", "blocks", _published?.Depth, _shapes.Depth);
    }

    /// <summary>Infers the architecture at the file's own image size.</summary>
    /// <param name="archive">The checkpoint; its names and shapes only are read.</param>
    /// <param name="config">What the config files beside it say.</param>
    /// <param name="hints">What the user says.</param>
    /// <exception cref="CheckpointFormatException">
    /// It is no Vision Transformer, sources contradict each other, or a fact is in doubt.
    /// </exception>
    public static ModelDescription Infer(CanonicalArchive archive, PublishedConfig config, ModelHints hints) =>
        new ArchitectureInference(archive, config, hints).Describe();

    private ModelDescription Describe()
    {
        _sources.Add(
            ("names", $"format {_archive.StateDictFormat.Name}{(_archive.Prefix.Length > 0 ? $", prefix {_archive.Prefix}" : "")}"));
        _sources.Add(("depth, widths, tokens, MLP, classes", "names and shapes of the tensors"));
        if (_archive.StateDictFormat.Remark is string remark)
        {
            _sources.Add(("classes 0", remark));
            _assumptions.Add($"classes: the file has {remark}");
        }

        (int hidden, int heads) = HiddenAndHeads();
        (PositionEmbedding position, int imageSize) = PositionAndSize();
        ViTArchitecture architecture = new()
        {
            Depth = _shapes.Depth,
            EmbedDim = _shapes.Width,
            Heads = heads,
            HeadDim = _shapes.Width / heads,
            MlpDim = hidden,
            PatchSize = _shapes.PatchSize,
            ImageSize = imageSize,
            Channels = _shapes.Channels,
            Classes = _shapes.Classes,
            HasClassToken = _shapes.HasClassToken,
            NormAfterPool = PoolingKind() == Pooling.AveragePatches && (_archive.NormAfterPool || _config.NormAfterPool),
            HasDistillationToken = _shapes.HasDistillationToken,
            RegisterTokens = _shapes.Registers,
            Mlp = _shapes.Mlp,
            Activation = Activation(),
            Position = position,
            Pooling = PoolingKind(),
            LayerNormEpsilon = Epsilon(position),
            HasLayerScale = _shapes.HasLayerScale,
            HasPreNorm = _shapes.HasPreNorm,
            HasPatchBias = _shapes.HasPatchBias,
            HasQkvBias = _shapes.HasQkvBias,
            ProjectionDim = _shapes.ProjectionDim,
            RotaryBase = position == PositionEmbedding.Rotary && _config.RotaryBase is double rotaryBase
                ? Sourced("rotary base", rotaryBase, _config.Source)
                : DefaultRotaryBase,
        };
        Validated(architecture);
        (Data.Preprocessing? images, string? doubt) = Preprocessing(architecture);
        return new ModelDescription(architecture, Widths(architecture), _sources)
        {
            Preprocessing = images,
            PreprocessingDoubt = doubt,
            UnusedTensors = _archive.UnusedTensors,
            ClassNames = ClassNames(architecture),
            Assumptions = _assumptions,
        };
    }

    private (PositionEmbedding Position, int ImageSize) PositionAndSize()
    {
        if (_shapes.Positions is not null)
        {
            (PositionEmbedding kind, int grid) = PositionInference.Infer(_archive.Path, _shapes, _config.ImageSize ?? _hints.ImageSize);
            int side = grid * _shapes.PatchSize;
            if (_config is { StatesImageSize: true, ImageSize: int stated } && stated != side)
            {
                throw new CheckpointFormatException(
                    _archive.Path,
                    $"{_config.Source} beside it is of another model: "
                        + $"expected image_size {side}, as the positions have it, found {stated}");
            }

            if (_config.ImageSize is null && _hints.ImageSize != side && IsUnknown && HasOtherGrid(grid))
            {
                _assumptions.Add(
                    $"image size: {side} x {side} is assumed, a square of {grid}x{grid} patches; the file does not say that its images are "
                        + $"square, and others cannot be read. --image-size {side} confirms it");
            }

            return (kind, Sourced("image size", side, $"number of positions, a square of {grid}x{grid} patches"));
        }

        return (
            PositionEmbedding.Rotary,
            _config.ImageSize is int size
                ? Sourced("image size", size, _config.Source)
                : Sourced("image size", RotaryImageSize, "table of formats (rotary positions fit any)"));
    }

    /// <summary>Whether neither name nor sizes are those of a published model, all of which take square images.</summary>
    private bool IsUnknown => _published is null && KnownModels.FindUnpruned(_shapes.Width, _shapes.Depth, _shapes.Mlp) is null;

    /// <summary>
    /// Whether a rectangle of at least two rows has as many patches as the square: 8x2 as many as 4x4, none as many as 7x7.
    /// </summary>
    private static bool HasOtherGrid(int grid) => Enumerable.Range(2, Math.Max(0, grid - 2)).Any(rows => grid * grid % rows == 0);

    private void Validated(ViTArchitecture architecture)
    {
        try
        {
            architecture.Validated();
        }
        catch (SnapViTException exception)
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
            throw new CheckpointFormatException(
                _archive.Path,
                $"{source} is of another model: expected {fact} {found}, as the tensors have it, found {expected}");
        }
    }

    private T Sourced<T>(string fact, T value, string source)
    {
        _sources.Add(($"{fact} {ModelHints.Text(value)}", source));
        return value;
    }

    private const double EpsilonOfDinoV3AndClip = 1e-5;

    private Activation Activation()
    {
        if (_shapes.Mlp == MlpKind.SwiGlu)
        {
            return Core.Architecture.Activation.GeluErf;
        }

        if (_config.Activation is string name)
        {
            Activation known = PublishedConfig.ActivationOf(name)
                ?? throw new CheckpointFormatException(
                    _archive.Path,
                    $"{_config.Source}: expected an activation gelu, gelu_pytorch_tanh or quick_gelu, found '{name}'");
            return Sourced(
                "activation",
                ModelHints.Agreed(_archive.Path, "--activation", _hints.Activation, known, _config.Source),
                _config.Source);
        }

        if (_published is not null)
        {
            string source = TableOf(_published.Name);
            return Sourced(
                "activation",
                ModelHints.Agreed(_archive.Path, "--activation", _hints.Activation, _published.Activation, source),
                source);
        }

        return _hints.Activation is Activation passed ? Sourced("activation", passed, "--activation")
            : KnownActivation() is Activation table ? Sourced("activation", table, $"table of formats ({_archive.StateDictFormat.Name})")
            : throw new CheckpointFormatException(
                _archive.Path,
                "models of this kind differ in their activation and no config.json beside the file says it; "
                    + "pass --activation gelu-erf, gelu-tanh or quick-gelu");
    }

    /// <summary>
    /// CLIP differs by publisher (OpenAI: quick GELU); SigLIP in timm by size, and only two sizes are certain: B and gopt.
    /// </summary>
    private Activation? KnownActivation()
    {
        bool fromTimm = _archive.StateDictFormat.Rules.Any(rule => rule.File[0] == AttentionPoolSpec.LatentName);
        return _shapes.HasPreNorm ? null
            : fromTimm && _shapes.HasAttentionPool ? (_shapes.Width, _shapes.Depth) switch
            {
                (768, 12) => Core.Architecture.Activation.GeluErf,
                (1536, 40) => Core.Architecture.Activation.GeluTanh,
                _ => null,
            }
            : _archive.StateDictFormat.Activation;
    }

    private Pooling PoolingKind() =>
        _shapes.HasAttentionPool ? Pooling.Attention
        : !_shapes.HasClassToken || (_config.Pooling is null ? _archive.NormAfterPool : _config.Pooling == Pooling.AveragePatches)
            ? Pooling.AveragePatches
        : _shapes.HasDistillationToken && (!_shapes.HasClassifier || _shapes.HasDistillationClassifier) ? Pooling.ClassAndDistillation
        : Pooling.ClassToken;

    private double Epsilon(PositionEmbedding position) => _config.LayerNormEpsilon is double configured
        ? Sourced("LayerNorm epsilon", configured, _config.Source)
        : Sourced(
            "LayerNorm epsilon",
            position == PositionEmbedding.Rotary || _shapes.HasPreNorm ? EpsilonOfDinoV3AndClip : _archive.StateDictFormat.LayerNormEpsilon,
            $"table of formats ({_archive.StateDictFormat.Name})");

    /// <summary>
    /// What the config says; else what the published name says; else the published settings of those families that have one setting for all
    /// of their models. A setting for another size keeps its share of the image.
    /// </summary>
    private (Data.Preprocessing? Images, string? Doubt) Preprocessing(ViTArchitecture a)
    {
        if (_config.Preprocessing is Data.Preprocessing configured)
        {
            return (Sourced("preprocessing", ModelDescription.AtSide(configured, a.ImageSize), _config.PreprocessingSource), null);
        }

        if (_config.PreprocessingDoubt is string fault)
        {
            return (null, $"{fault}; pass --preprocess with the setting of the model");
        }

        if (_published?.Preprocessing is string named)
        {
            return (Sourced("preprocessing", Data.Preprocessing.Named(named, a.ImageSize), TableOf(_published.Name)), null);
        }

        (string? family, string? doubt) = Family(a);
        return (
            family is null
                ? null
                : Sourced("preprocessing", Data.Preprocessing.Named(family, a.ImageSize), $"table of known models ({family})"),
            doubt);
    }

    /// <summary>The published setting of a family, or what is in doubt where it has several.</summary>
    private (string? Name, string? Doubt) Family(ViTArchitecture a)
    {
        if (a.Position == PositionEmbedding.Rotary)
        {
            return PublishedName.Says(_archive.Path, "sat493m") ? ("dinov3-sat", null)
                : PublishedName.Says(_archive.Path, "lvd1689m") || !KnownModels.IsOfSatelliteImagesToo(a) ? ("dinov3", null)
                : (null,
                    "DINOv3 of this size is published with two normalisations: "
                        + "pass --preprocess dinov3 (trained on photos, lvd1689m) "
                        + "or --preprocess dinov3-sat (on satellite images, sat493m)");
        }

        if (a.Pooling == Pooling.Attention)
        {
            return ("siglip", null);
        }

        if (a.HasPreNorm || _archive.StateDictFormat.Activation is null)
        {
            // OpenAI's own files keep three numbers of their model beside it.
            return _archive.HasBeside("input_resolution") ? ("clip", null)
                : (null,
                    "CLIP models are published with several normalisations: "
                        + "pass --preprocess clip (OpenAI, most of LAION, DataComp), "
                        + "clip-half (LAION's L/14 of laion2b_s32b_b82k) or clipa, "
                        + "or put the publisher's open_clip_config.json or preprocessor_config.json beside the file");
        }

        return (a.HasDistillationToken ? "deit"
            : _archive.Heads is not null ? "augreg"
            : _archive.StateDictFormat.Name == "torchvision" ? "torchvision"
            : a is { Position: PositionEmbedding.PatchesOnly, HasClassToken: true, HasLayerScale: true, RegisterTokens: 0 } ? "deit3"
            : null, null);
    }

    private IReadOnlyList<string> ClassNames(ViTArchitecture a)
    {
        if (_config.ClassNames.Count == 0 || a.Classes == 0)
        {
            return [];
        }

        return _config.ClassNames.Count == a.Classes
            ? Sourced("names of the classes", _config.ClassNames, _config.Source)
            : throw new CheckpointFormatException(
                _archive.Path,
                $"{_config.Source} beside it is of another model: "
                    + $"expected names of {a.Classes} classes, as the classifier has them, found {_config.ClassNames.Count} (id2label)");
    }

    private (int Hidden, int Heads) HiddenAndHeads()
    {
        int largest = _shapes.PoolNeurons ?? _shapes.Neurons.Max();
        (string Name, int Hidden, int Heads)? known = KnownModels.FindUnpruned(_shapes.Width, _shapes.Depth, _shapes.Mlp)
            is (string, int, int) row
            && (row.Item2 == largest || (_shapes.IsPruned && row.Item2 > largest)) ? row : null;
        int? configured = _shapes is { IsPruned: true, Mlp: MlpKind.Standard } && _config.MlpDim >= largest ? _config.MlpDim : null;
        int hidden = _shapes.IsPruned ? configured ?? known?.Hidden ?? largest : largest;
        if (_shapes.IsPruned)
        {
            string source = configured is not null ? _config.Source
                : hidden == _shapes.PoolNeurons ? "shapes of the attention pool, which is never cut"
                : known is (string name, _, _) ? TableOf(name)
                : "its widest block";
            _sources.Add((string.Create(CultureInfo.InvariantCulture, $"neurons of the unpruned model {hidden}"), source));
        }

        return (hidden, Heads(known));
    }

    private int Heads((string Name, int Hidden, int Heads)? known)
    {
        if (_config.Heads is int configured)
        {
            return Sourced(
                "heads",
                RequireHeads(ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, configured, _config.Source), _config.Source),
                _config.Source);
        }

        if (_published is not null)
        {
            string source = TableOf(_published.Name);
            return Sourced("heads", ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, _published.Heads, source), source);
        }

        if (_archive.Heads is int shown)
        {
            const string Kernels = "shapes of the file's own kernels";
            return Sourced(
                "heads",
                RequireHeads(ModelHints.Agreed(_archive.Path, "--num-heads", _hints.Heads, shown, Kernels), Kernels),
                Kernels);
        }

        return _hints.Heads is int passed ? Sourced("heads", RequireHeads(passed, "--num-heads"), "--num-heads")
            : known is (string name, _, int heads) ? Sourced("heads", RequireOneReading(name, heads), TableOf(name))
            : throw new CheckpointFormatException(
                _archive.Path,
                $"width {_shapes.Width}, {_shapes.Depth} blocks and {_shapes.Neurons.Max()} neurons fit no known model; "
                    + "pass --num-heads, the attention heads per block");
    }

    /// <summary>A plain ViT-S has 6 heads, but MoCo-v3's has 12, and no shape tells them apart: only a name does.</summary>
    private int RequireOneReading(string known, int heads)
    {
        bool isPlain = known == KnownModels.Ambiguous && !_config.IsOfTimm
            && _shapes.HasClassToken && _shapes.Registers == 0 && _shapes.PatchSize == KnownModels.AmbiguousPatch
            && !(_shapes.HasDistillationToken || _shapes.HasLayerScale || _shapes.HasPreNorm || _shapes.HasAttentionPool);
        return !isPlain ? heads
            : _archive.Prefix.Contains("base_encoder.", StringComparison.Ordinal)
                || _archive.Prefix.Contains("momentum_encoder.", StringComparison.Ordinal)
                ? KnownModels.MocoHeads
            : PublishedName.HeadsOf(_archive.Path) ?? throw new CheckpointFormatException(
                _archive.Path,
                $"{known} is published with {heads} heads (timm, DINO, DeiT, AugReg) and with {KnownModels.MocoHeads} (MoCo-v3), "
                    + $"and neither shapes nor names tell which; pass --num-heads {heads} or --num-heads {KnownModels.MocoHeads}");
    }

    private int RequireHeads(int heads, string source) => heads > 0 && _shapes.Width % heads == 0
        ? heads
        : throw new CheckpointFormatException(
            _archive.Path,
            $"{source}: expected heads that divide the width {_shapes.Width}, found {heads}");

    private SubnetWidths Widths(ViTArchitecture a) =>
        new(Enumerable.Range(0, a.Depth)
            .Select(block => a.FullBlock.With(Axis.Heads, BlockHeads(a, block)).With(Axis.Neurons, BlockNeurons(a, block))));

    private int BlockHeads(ViTArchitecture a, int block)
    {
        int columns = _shapes.AttentionWidths[block], rows = _shapes.QkvRows[block];
        if (rows != 3 * columns)
        {
            throw new CheckpointFormatException(
                _archive.Path,
                $"expected {3 * columns} rows of queries, keys and values, for proj has {columns} columns, found {rows}: dimensions inside "
                    + "heads were cut, and no shape tells how many; put the config beside it that was written with the file, "
                    + Path.GetFileName(ModelFile.ConfigPath(_archive.Path)),
                _archive.NameInFile(AttentionSpec.QkvName(block).Weight));
        }

        return columns % a.HeadDim == 0 && columns <= a.EmbedDim
            ? columns / a.HeadDim
            : throw new CheckpointFormatException(
                _archive.Path,
                $"expected a multiple of the head width {a.HeadDim} up to {a.EmbedDim}, found {columns} columns",
                _archive.NameInFile(AttentionSpec.ProjName(block).Weight));
    }

    private int BlockNeurons(ViTArchitecture a, int block) => _shapes.Neurons[block] <= a.MlpDim
        ? _shapes.Neurons[block]
        : throw new CheckpointFormatException(
            _archive.Path,
            $"block {block}: expected at most {a.MlpDim} neurons, found {_shapes.Neurons[block]}");
}
