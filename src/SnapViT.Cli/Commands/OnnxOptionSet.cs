using System.CommandLine;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Export;
using SnapViT.Onnx;

namespace SnapViT.Cli.Commands;

/// <summary>Options of everything written as ONNX.</summary>
internal sealed class OnnxOptionSet
{
    private readonly Option<bool> _half = new("--fp16")
    {
        Description = "ONNX: weights in half precision, half the bytes; arithmetic stays float32.",
    };
    private readonly Option<bool> _int8 = new("--int8")
    {
        Description = "ONNX: weights in 8 bits with a scale per output channel, a quarter of the bytes.",
    };
    private readonly Option<OnnxOutputs> _outputs = new("--onnx-outputs")
    {
        Description = "ONNX: what the graph gives.",
        DefaultValueFactory = _ => OnnxOutputs.All,
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_half);
        command.Options.Add(_int8);
        command.Options.Add(_outputs);
    }

    /// <summary>Whether any of them was given.</summary>
    public bool Given(ParseResult parsed) =>
        parsed.GetValue(_half) || parsed.GetValue(_int8) || parsed.GetValue(_outputs) != OnnxOutputs.All;

    /// <summary>Fails in one line where a model cannot give what is asked for.</summary>
    public void Require(ParseResult parsed, ViTArchitecture architecture) =>
        OnnxExport.OutputsOf(architecture, parsed.GetValue(_outputs));

    public OnnxOptions Read(ParseResult parsed)
    {
        bool half = parsed.GetValue(_half), int8 = parsed.GetValue(_int8);
        return half && int8
            ? throw new SnapViTException(ErrorKind.Option, "expected one of --fp16 and --int8, found both")
            : new OnnxOptions
            {
                Precision = half ? OnnxPrecision.Float16 : int8 ? OnnxPrecision.Int8 : OnnxPrecision.Float32,
                Outputs = parsed.GetValue(_outputs),
            };
    }
}
