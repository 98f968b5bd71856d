using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Errors;
using SnapViT.Data;

namespace SnapViT.Runtime;

/// <summary>How the graphs of a family run.</summary>
public sealed record RuntimeOptions
{
    /// <summary>Threads of one forward pass; 0, the default, for as many as there are cores.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Whether ONNX Runtime may keep a copy of the weights for every size, laid out as its matrix product likes it best. That is 5 to 10 %
    /// faster for single images, and each open size then takes its own weights in memory. Default false: all sizes read the same weights.
    /// </summary>
    public bool CopyWeights { get; init; }

    /// <summary>
    /// Whether the weights are read into memory, once for all sizes, instead of being mapped from their file. The files may then be
    /// replaced or deleted while the family is open, once every size was opened; a mapped file that is cut short ends the process. Opening
    /// takes as long as reading the file, and the weights take memory of the process. Default false.
    /// </summary>
    public bool ReadWeights { get; init; }

    /// <summary>How images become the model's input; null, the default, for what the family says.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>
    /// Changes the options of every session, such as <c>options =&gt; options.AppendExecutionProvider_CUDA()</c>; null for the CPU.
    /// </summary>
    public Action<SessionOptions>? Configure { get; init; }

    /// <exception cref="SnapViTException">A number is outside its range.</exception>
    internal RuntimeOptions Validated() => Threads >= 0
        ? this
        : throw new SnapViTException(ErrorKind.Option, $"threads: expected 0 or more, found {Threads}");
}
