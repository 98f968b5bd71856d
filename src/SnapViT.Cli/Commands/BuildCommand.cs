using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Importance;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit build</c>: scores and search, one elastic scores file.</summary>
internal static class BuildCommand
{
    private const string Unfinished = ".unfinished";

    private static readonly ModelOptions Model = new();
    private static readonly Option<string> Images = new("--images") { Description = "Folder of photos (JPEG, PNG, WebP, BMP); labels are not used.", Required = true };
    private static readonly Option<string> Out = new("--out") { Description = "The scores file to write (safetensors).", Required = true };
    private static readonly Option<int> Samples = new("--samples") { Description = "Photos used at most, a seeded sample.", DefaultValueFactory = _ => 1000 };
    private static readonly Option<int> Evaluations = new("--evaluations") { Description = "Candidates of the search; 0 leaves the factors at their start.", DefaultValueFactory = _ => 50 };
    private static readonly Option<ScoreCriterion> Criterion = GlobalOptions.OneOf("--criterion", "ssl: squared mean gradient, as the reference; fisher: mean of squared per-image gradients, the paper's Eq. 2.", ScoreCriterion.Ssl);
    private static readonly Option<CropProtocol> Crops = GlobalOptions.OneOf("--crops", "reference: one global and one local crop per photo; independent: 2 global and 10 local ones, about ten times the time.", CropProtocol.Reference);
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per forward pass.", DefaultValueFactory = _ => 16 };
    private static readonly Option<double> NeuronFloor = new("--neuron-floor") { Description = "Share of its neurons that every block keeps.", DefaultValueFactory = _ => 0.05 };
    private static readonly Option<double> HeadFloor = new("--head-floor") { Description = "Share of its heads that every block keeps.", DefaultValueFactory = _ => 0.2 };

    public static Command Create()
    {
        Command command = new("build", """
            Scores every neuron and head of a model on unlabelled photos, searches the factors between blocks, and writes one scores file from which any size can be cut.
            An interrupted build is continued by the same command: its state lies in OUT.unfinished.

              snapvit build deit_tiny.safetensors --images photos --out deit_tiny.scores.safetensors
            """);
        Model.AddTo(command);
        foreach (Option option in new Option[] { Images, Out, Samples, Evaluations, Criterion, Crops, Batch, NeuronFloor, HeadFloor })
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ParseResult parsed, CancellationToken cancellation)
    {
        (Device device, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        BuildOptions options = new BuildOptions
        {
            Samples = parsed.GetValue(Samples),
            Evaluations = parsed.GetValue(Evaluations),
            Criterion = parsed.GetValue(Criterion),
            Crops = parsed.GetValue(Crops),
            Fitness = new FitnessOptions { Floors = new KeepFloors(parsed.GetValue(NeuronFloor), parsed.GetValue(HeadFloor)) },
            Seed = parsed.GetValue(GlobalOptions.Seed),
            BatchSize = parsed.GetValue(Batch),
            Precision = precision,
            Device = device,
        }.Validated();
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        OutputPath.RequireWritable(path + Unfinished);
        ImageFolder images = ImageFolder.Scan(parsed.GetRequiredValue(Images));
        using LoadedModel model = Model.Load(parsed);
        BuildResult result = ProgressDisplay.Run(parsed, progress =>
        {
            ElasticBuild build = new(model, images, Model.Preprocess(parsed, model), options, progress);
            BuildResult built = build.Run(path + Unfinished, cancellation);
            build.Finish(built, path, path + Unfinished);
            return built;
        });
        Report.Write(parsed, BuildReport.Of(path, result));
        return 0;
    }
}
