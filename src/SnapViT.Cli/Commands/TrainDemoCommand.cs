using System.CommandLine;
using System.Globalization;
using SnapViT.Cli.Demo;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Loading;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary><c>snapvit train-demo</c>, hidden: makes the model that <c>snapvit demo</c> carries.</summary>
internal static class TrainDemoCommand
{
    private static readonly Option<string> Out = new("--out") { Description = "The model to write (safetensors).", Required = true };
    private static readonly Option<string?> Record = new("--record") { Description = "The training record to write (CSV)." };
    private static readonly Option<int> Steps = new("--steps") { Description = "Training steps.", DefaultValueFactory = _ => 9000 };
    private static readonly Option<int> Batch = new("--batch") { Description = "Images per step.", DefaultValueFactory = _ => 64 };

    public static Command Create()
    {
        Verb command = new("train-demo", "Trains the demo's model on generated images.", "") { Hidden = true };
        foreach (Option option in new Option[] { Out, Record, Steps, Batch, GlobalOptions.Force })
        {
            command.Options.Add(option);
        }

        command.Does(Run);
        return command;
    }

    private static Report? Run(ParseResult parsed, CancellationToken cancellation)
    {
        (_, ScalarType precision) = GlobalOptions.ReadyTorch(parsed);
        string path = parsed.GetRequiredValue(Out);
        OutputPath.RequireWritable(path);
        ulong seed = parsed.GetValue(GlobalOptions.Seed);
        (int steps, int batch) = (parsed.GetValue(Steps), parsed.GetValue(Batch));
        List<string> record = ["step,loss,accuracy,seconds"];
        using DemoTraining training = new(seed, precision);
        training.Run(steps, batch, (step, loss, accuracy, seconds) =>
        {
            record.Add(string.Create(CultureInfo.InvariantCulture, $"{step},{loss:F4},{accuracy:F4},{seconds:F0}"));
            parsed.InvocationConfiguration.Error.WriteLine(record[^1]);
        }, cancellation);
        using VisionTransformer model = training.Model();
        ViTArchitecture architecture = model.Architecture;
        ModelConfig config = ModelConfig.Of(architecture, architecture.FullWidths) with
        {
            Preprocessing = DemoModel.Preprocessing,
            Provenance = new SortedDictionary<string, string>
            {
                ["trained by"] = string.Create(
                    CultureInfo.InvariantCulture,
                    $"snapvit train-demo --steps {steps} --batch {batch} --seed {seed}"),
            },
        };
        ModelFile.Save(path, model, config);
        if (parsed.GetValue(Record) is string recordPath)
        {
            File.WriteAllLines(recordPath, record);
        }

        return null;
    }
}
