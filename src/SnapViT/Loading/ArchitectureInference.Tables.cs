using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Loading;

/// <content>What is in no shape: activation, pooling, epsilon, preprocessing.</content>
internal sealed partial class ArchitectureInference
{
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
                ?? throw new CheckpointFormatException(_archive.Path, $"{_config.Source}: expected an activation gelu, gelu_pytorch_tanh or quick_gelu, found '{name}'");
            return Sourced("activation", ModelHints.Agreed(_archive.Path, "--activation", _hints.Activation, known, _config.Source), _config.Source);
        }

        if (_published is not null)
        {
            string source = TableOf(_published.Name);
            return Sourced("activation", ModelHints.Agreed(_archive.Path, "--activation", _hints.Activation, _published.Activation, source), source);
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

    /// <summary>
    /// What the config says; else what the published name says; else the published settings of those families that have one setting for all of
    /// their models. A setting for another size keeps its share of the image.
    /// </summary>
    private Data.Preprocessing? Preprocessing(ViTArchitecture a)
    {
        string? family = a.Position == PositionEmbedding.Rotary ? "dinov3"
            : a.Pooling == Pooling.Attention ? "siglip"
            : a.HasPreNorm ? "clip"
            : a.Pooling == Pooling.ClassAndDistillation ? "deit"
            : a is { Position: PositionEmbedding.PatchesOnly, HasClassToken: true, HasLayerScale: true, RegisterTokens: 0 } ? "deit3"
            : null;
        return _config.Preprocessing is not null ? Sourced("preprocessing", ModelDescription.AtSide(_config.Preprocessing, a.ImageSize), _config.PreprocessingSource)
            : _published?.Preprocessing is string named ? Sourced("preprocessing", Data.Preprocessing.Named(named, a.ImageSize), TableOf(_published.Name))
            : family is not null ? Sourced("preprocessing", Data.Preprocessing.Named(family, a.ImageSize), "table of known models")
            : null;
    }
}
