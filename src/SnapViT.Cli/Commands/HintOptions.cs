using System.CommandLine;
using SnapViT.Loading;

namespace SnapViT.Cli.Commands;

/// <summary>What may have to be said of a model beside its file.</summary>
internal sealed class HintOptions
{
    private readonly Option<int?> _heads = new("--num-heads")
    {
        Description = "Attention heads per block; needed only where the model is none of the known sizes.",
    };
    private readonly Option<string?> _activation = new("--activation")
    {
        Description = "Activation of the MLPs; needed only for CLIP and some SigLIP files without their config.json.",
    };
    private readonly Option<int?> _imageSize = new("--image-size")
    {
        Description = "Side of the input in pixels; position embeddings are resampled. Default: the model's own.",
    };

    private readonly Option<string?> _weights = new("--weights")
    {
        Description = "Which model of a file that holds several, by a part of the names before it: ema, teacher, student. Needed only "
            + "there.",
    };

    public HintOptions() => _activation.AcceptOnlyFromAmong([.. ModelHints.Activations.Select(row => row.Name)]);

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _heads, _activation, _imageSize, _weights })
        {
            command.Options.Add(option);
        }
    }

    public ModelHints Read(ParseResult parsed) => new()
    {
        Heads = parsed.GetValue(_heads),
        Activation = parsed.GetValue(_activation) is string name ? ModelHints.Activations.First(row => row.Name == name).Activation : null,
        ImageSize = parsed.GetValue(_imageSize),
        Weights = parsed.GetValue(_weights),
    };
}
