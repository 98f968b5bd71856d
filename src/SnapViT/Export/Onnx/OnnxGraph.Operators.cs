using SnapViT.Core.Architecture;

namespace SnapViT.Export.Onnx;

internal sealed partial class OnnxGraph
{
    public string Add(string a, string b) => Node("Add", [a, b]);

    public string Multiply(string a, string b) => Node("Mul", [a, b]);

    public string Multiply(string a, double factor) => Node("Mul", [a, Number(factor)]);

    public string MatMul(string a, string b) => Node("MatMul", [a, b]);

    public string Softmax(string x) => Node("Softmax", [x], OnnxAttribute.Int("axis", -1));

    public string Transpose(string x, params ReadOnlySpan<long> order) => Node("Transpose", [x], OnnxAttribute.Ints("perm", order));

    /// <summary>-1 stands for what is left; the batch is never written as a number.</summary>
    public string Reshape(string x, params ReadOnlySpan<long> shape) => Node("Reshape", [x, Integers(shape)]);

    /// <summary>Equal parts of an axis, which stays with size 1 when there are as many parts as elements.</summary>
    public string[] Split(string x, int axis, int parts) => Nodes("Split", parts, [x], OnnxAttribute.Int("axis", axis));

    public string Concat(int axis, params IEnumerable<string> parts) => Node("Concat", parts, OnnxAttribute.Int("axis", axis));

    /// <summary>Elements start..end-1 of an axis.</summary>
    public string Slice(string x, int axis, long start, long end) => Node("Slice", [x, Integers(start), Integers(end), Integers(axis)]);

    public string Mean(string x, int axis) => Node("ReduceMean", [x], OnnxAttribute.Ints("axes", axis), OnnxAttribute.Int("keepdims", 0));

    /// <summary>Puts rows of zeros before axis 1 of x [batch, rows, D].</summary>
    public string PadRows(string x, int before) => before == 0 ? x : Node("Pad", [x, Integers(0, before, 0, 0, 0, 0)]);

    /// <summary><c>x W + b</c> over rows, W [in, out]; or <c>x W^T + b</c>, W [out, in].</summary>
    public string Gemm(string x, string weight, string? bias, bool transposed) =>
        Node("Gemm", bias is null ? [x, weight] : [x, weight, bias], OnnxAttribute.Int("transB", transposed ? 1 : 0));

    public string LayerNorm(string x, string weight, string bias, double epsilon) =>
        Node("LayerNormalization", [x, weight, bias], OnnxAttribute.Int("axis", -1), OnnxAttribute.Float("epsilon", epsilon));

    public string Silu(string x) => Multiply(x, Node("Sigmoid", [x]));

    public string Activate(string x, Activation activation) => activation switch
    {
        // x/2 (1 + erf(x / sqrt 2)), in the order of operations that ONNX Runtime knows and fuses.
        Activation.GeluErf => Multiply(Multiply(x, Add(Node("Erf", [Node("Div", [x, Number(Math.Sqrt(2))])]), Number(1))), 0.5),
        Activation.GeluTanh => GeluTanh(x),
        Activation.QuickGelu => Multiply(x, Node("Sigmoid", [Multiply(x, 1.702)])),
        _ => throw new InvalidOperationException($"unknown activation {activation}"),
    };

    /// <summary><c>x/2 (1 + tanh(sqrt(2/pi) x (1 + 0.044715 x^2)))</c>.</summary>
    private string GeluTanh(string x)
    {
        string cubic = Multiply(x, Add(Multiply(Multiply(x, x), 0.044715), Number(1)));
        string tanh = Node("Tanh", [Multiply(cubic, Math.Sqrt(2 / Math.PI))]);
        return Multiply(Multiply(x, 0.5), Add(tanh, Number(1)));
    }
}
