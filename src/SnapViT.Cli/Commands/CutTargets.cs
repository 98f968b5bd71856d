using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Export;
using SnapViT.Loading;
using SnapViT.Onnx;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary>The files that a cut writes, a format each, and at least one of them.</summary>
internal sealed class CutTargets
{
    private readonly Option<string?> _out = new("--out")
    {
        Description = "The model file to write: .pt, .pth or .bin for PyTorch's format, else safetensors. Every verb reads it again; "
            + "NAME.config.json beside it says what it is.",
    };
    private readonly Option<string?> _onnx = new("--onnx")
    {
        Description = "The ONNX graph to write: dynamic batch, opset 17, with the config in its metadata.",
    };
    private readonly Option<string?> _torch = new("--pt")
    {
        Description = "The PyTorch state dict to write for timm, in its names and without a config (docs/pytorch.md).",
    };
    private readonly Option<string?> _hub = new("--hub")
    {
        Description = "The folder to write, new or empty, as model hubs have it: model.safetensors, config.json, and a model card "
            + "README.md.",
    };
    private readonly OnnxOptionSet _onnxOptions = new();
    private readonly Option<string?> _images = new("--images")
    {
        Description = "Photos: at most 256 for --correction sequential, all for --heal, and for ONNX at most 256 on which smaller weights "
            + "are compared with float32. Labels are not used.",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_out);
        command.Options.Add(_onnx);
        command.Options.Add(_torch);
        command.Options.Add(_hub);
        _onnxOptions.AddTo(command);
        command.Options.Add(_images);
    }

    /// <summary>Fails in one line, before any work, where nothing is asked for or a file could not be written.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="correctsByPhotos">Whether the photos serve the correction too.</param>
    public void Require(ParseResult parsed, bool correctsByPhotos)
    {
        string? config = parsed.GetValue(_out) is string file ? ModelFile.ConfigPath(file) : null;
        string[] paths = [.. new[] { _out, _onnx, _torch, _hub }.Select(parsed.GetValue).Append(config).OfType<string>()];
        if (paths.Length == 0)
        {
            throw new SnapViTException(ErrorKind.Option, "expected at least one file to write: --out, --onnx, --pt or --hub, found none");
        }

        if (parsed.GetValue(_onnx) is null && _onnxOptions.Given(parsed))
        {
            throw new SnapViTException(ErrorKind.Option, "--fp16, --int8 and --onnx-outputs: expected --onnx FILE with them, found none");
        }

        if (Photos(parsed) is not null && !correctsByPhotos && _onnxOptions.Read(parsed).Precision == OnnxPrecision.Float32)
        {
            throw new SnapViTException(
                ErrorKind.Option,
                "--images: expected --correction sequential, --heal, or --fp16 or --int8 with it, for float32 weights lose nothing; "
                    + "found none");
        }

        _onnxOptions.Read(parsed);
        string? hub = parsed.GetValue(_hub);
        Array.ForEach([.. paths.Where(path => path != hub)], OutputPath.RequireWritable);
        if (hub is not null)
        {
            AtomicFolder.RequireFree(hub);
        }
    }

    /// <summary>The folder of photos; null where none was given.</summary>
    public string? Photos(ParseResult parsed) => parsed.GetValue(_images);

    /// <summary>Fails in one line where a format cannot hold models of that architecture.</summary>
    public void RequireFormats(ParseResult parsed, ViTArchitecture architecture)
    {
        if (parsed.GetValue(_torch) is not null)
        {
            TorchStateDict.RequireTimm(architecture);
        }

        if (parsed.GetValue(_onnx) is not null)
        {
            _onnxOptions.Require(parsed, architecture);
        }
    }

    /// <summary>
    /// What <c>--size</c> is of: the file of <c>--out</c> in its own format, else that of <c>--pt</c>; null for a safetensors file.
    /// </summary>
    public Func<ElasticViT, SubnetPlan, long>? Bytes(ParseResult parsed, bool sequential) =>
        parsed.GetValue(_out) is string path ? (elastic, plan) => elastic.FileBytes(plan, sequential, path)
        : parsed.GetValue(_torch) is not null ? (_, plan) => TorchStateDict.Bytes(plan.Architecture, plan.Widths)
        : null;

    /// <summary>What is to be said of a budget in bytes where no file of that size is written; null for nothing.</summary>
    public string? SizeNote(ParseResult parsed) =>
        new[] { _out, _torch, _hub }.All(option => parsed.GetValue(option) is null)
            ? "--size: counted are the bytes that the model takes as a safetensors file; an ONNX file takes others"
            : null;

    /// <summary>Writes all that was asked for; the files in the order of the options.</summary>
    public IReadOnlyList<string> Write(ParseResult parsed, Subnet subnet)
    {
        List<string> written = [];
        if (parsed.GetValue(_out) is string model)
        {
            written.AddRange(subnet.Save(model));
        }

        if (parsed.GetValue(_onnx) is string graph)
        {
            written.AddRange(subnet.ToOnnx(graph, _onnxOptions.Read(parsed)));
        }

        if (parsed.GetValue(_torch) is string state)
        {
            subnet.SaveTorch(state);
            written.Add(state);
        }

        if (parsed.GetValue(_hub) is string hub)
        {
            written.AddRange(subnet.SaveHubFolder(hub));
        }

        return written;
    }

    /// <summary>Compares the model of the smaller weights with that of the original ones; null where no photos were given.</summary>
    public ModelAgreement? Compare(ParseResult parsed, Subnet subnet, ImageSet? photos, CancellationToken cancellation)
    {
        OnnxPrecision precision = _onnxOptions.Read(parsed).Precision;
        return photos is not null && precision != OnnxPrecision.Float32
            ? ProgressDisplay.Run(parsed, progress =>
                subnet.CompareOnnx(precision, photos, parsed.GetValue(GlobalOptions.Seed), progress, cancellation))
            : null;
    }
}
