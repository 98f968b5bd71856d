using System.CommandLine;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary>The model argument and what may have to be said about a model.</summary>
internal sealed class ModelOptions
{
    private readonly Argument<string> _model = new("MODEL") { Description = "A Vision Transformer in safetensors with timm's tensor names, one written by 'snapvit cut', or a name on the Hugging Face hub, as in timm/vit_small_patch16_224.dino or org/name@revision." };
    private readonly Option<int?> _heads = new("--num-heads") { Description = "Attention heads per block; needed only where the model is none of the known sizes." };
    private readonly Option<string?> _preprocess = new("--preprocess") { Description = $"How images become the input: {string.Join(", ", Preprocessing.Names)}. Default: what the model file says, else reference (resize 256, crop 224, ImageNet mean and std)." };

    public void AddTo(Command command)
    {
        command.Arguments.Add(_model);
        command.Options.Add(_heads);
        command.Options.Add(_preprocess);
    }

    public LoadedModel Load(ParseResult parsed, CancellationToken cancellation) =>
        ModelFile.Load(HubModel.Local(parsed, parsed.GetRequiredValue(_model), cancellation), parsed.GetValue(_heads));

    public Preprocessing Preprocess(ParseResult parsed, LoadedModel model)
    {
        int side = model.Model.Architecture.ImageSize;
        return parsed.GetValue(_preprocess) is string name ? Preprocessing.Named(name, side) : model.Preprocessing ?? Preprocessing.Named("reference", side);
    }
}
