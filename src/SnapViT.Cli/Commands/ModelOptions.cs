using System.CommandLine;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary>The model argument and what may have to be said about a model.</summary>
internal sealed class ModelOptions
{
    private readonly Argument<string> _model = new("MODEL")
    {
        Description = "A Vision Transformer: safetensors (one file or sharded), .pt, .pth or .bin, or a folder of the hub; names of timm, "
            + "DINO, DINOv2, DINOv3, open_clip or transformers; one written by 'snapvit cut'; or a name on the Hugging Face hub, as in "
            + "timm/vit_small_patch16_224.dino or org/name@revision.",
    };
    /// <summary>The argument itself.</summary>
    public Argument<string> Argument => _model;

    private readonly HintOptions _hints = new();
    private readonly Option<string?> _preprocess = new("--preprocess")
    {
        Description = "How images become the input. Default: what the model's files say, else what its family is published with, else "
            + "reference (resize 256, crop 224, ImageNet mean and std).",
    };

    public ModelOptions() => _preprocess.AcceptOnlyFromAmong([.. Preprocessing.Names]);

    public void AddTo(Command command)
    {
        command.Arguments.Add(_model);
        _hints.AddTo(command);
        command.Options.Add(_preprocess);
    }

    public LoadedModel Load(ParseResult parsed, CancellationToken cancellation) =>
        ModelFile.Load(Path(parsed, cancellation), _hints.Read(parsed));

    /// <summary>The model as a path: a name on the hub is fetched.</summary>
    public string Path(ParseResult parsed, CancellationToken cancellation) =>
        HubModel.Local(parsed, parsed.GetRequiredValue(_model), cancellation);

    public ModelHints Hints(ParseResult parsed) => _hints.Read(parsed);

    /// <summary>The preprocessing that was asked for; null for the model's own.</summary>
    public Preprocessing? Chosen(ParseResult parsed, LoadedModel model) =>
        parsed.GetValue(_preprocess) is string name ? Preprocessing.Named(name, model.Model.Architecture.ImageSize) : null;

    public Preprocessing Preprocess(ParseResult parsed, LoadedModel model) => Chosen(parsed, model) ?? model.PreprocessingOrReference;

    /// <summary>What had to be assumed about the model, a sentence each.</summary>
    public IReadOnlyList<string> Doubts(ParseResult parsed, LoadedModel model) => model.Doubts(Chosen(parsed, model));
}
