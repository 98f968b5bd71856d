using CsCheck;
using SnapViT.Core.Checkpoints;
using static SnapViT.Core.Tests.Checkpoints.Pickle.PickleBytes;

namespace SnapViT.Core.Tests.Checkpoints.Pickle;

/// <summary>Small pickles that ask for much, and pickles of chance: always a named refusal, always within bounds.</summary>
public sealed class PickleMachineBombTests
{
    private const long MostBytes = 1L << 28;

    /// <summary>Instructions as CPython's pickletools lists them, with arguments that mostly fit.</summary>
    private static readonly byte[][] Fragments =
    [
        Of("N"), Of("\u0088"), Of("("), Of(")"), Of("]"), Of("}"), Of("t"), Of("\u0085"), Of("\u0086"), Of("\u0087"), Of("a"), Of("e"), Of("s"), Of("u"),
        Of("q\0"), Of("h\0"), Of("q\u0001"), Of("h\u0001"), Of("\u0094"), Of("R"), Of("b"), Of("Q"), Of("\u0081"), Of("."), Of("\u0093"), Of("\u008f"), Of("\u0090"), Of("\u0091"),
        Int(0), Int(1), Int(6), Int(-1), Int(1L << 40), Text("a"), Text("storage"), Text("0"), Text("latin1"), Of("C\u0002xy"), Of("G\0\0\0\0\0\0\0\0"),
        Global("torch", "FloatStorage"), Global("torch._utils", "_rebuild_tensor_v2"), Global("torch._utils", "_rebuild_parameter"), Global("torch", "Size"), Global("torch", "float32"),
        Global("collections", "OrderedDict"), Global("argparse", "Namespace"), Global("builtins", "set"), Global("builtins", "getattr"), Global("_codecs", "encode"),
        Global("src.models.enums", "Kind"), Storage("0", 6), Tensor(Storage("0", 6), 0, [2, 3], [3, 1]), Sizes(2, 3), Of("h"), Of("X\u00ff\0\0\0"),
    ];

    [Fact]
    public void Pickles_of_random_instructions_give_a_value_or_a_named_refusal()
    {
        int values = 0;
        Gen.OneOf(
            Gen.Int[0, Fragments.Length - 1].Array[0, 40].Select(indices => (byte[])[.. indices.SelectMany(i => Fragments[i]), (byte)'.']),
            Gen.Byte.Array[0, 60]).Sample(pickle => values += LoadsOrIsRefused(pickle) ? 1 : 0, iter: 20_000, threads: 1);
        Assert.NotEqual(0, values);
    }

    [Fact]
    public void A_tree_that_doubles_at_every_level_is_refused()
    {
        // [], then twice the list before, and so on: 2^60 values in 300 bytes.
        byte[] pickle = Of("]q\0", string.Concat(Enumerable.Repeat("h\0\u0086q\0", 60)), ".");
        Assert.Contains("expected at most 262144 values", Refusal(pickle), StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_text_recalled_often_is_not_copied()
    {
        byte[] text = Text(new string('x', 1 << 20));
        string recalls = string.Concat(Enumerable.Repeat("h\0", 200_000));
        Assert.Contains("expected byte strings of at most", Refusal(Of("(", text, "q\0", string.Concat(Enumerable.Repeat("c_codecs\nencode\nh\0X\u0006\0\0\0latin1\u0086R", 100)), "t.")), StringComparison.Ordinal);
        IReadOnlyList<object?> items = Assert.IsAssignableFrom<IReadOnlyList<object?>>(Bounded(() => PickleMachineTests.Load(Of("(", text, "q\0", recalls, "t."))));
        Assert.Equal(200_001, items.Count);
    }

    [Fact]
    public void A_state_that_doubles_its_target_is_refused()
    {
        // Two namespaces that take each other's items in turn.
        string grow = string.Concat(Enumerable.Repeat("h\0h\u0001bh\u0001h\0b", 60));
        byte[] pickle = Of(Global("argparse", "Namespace"), ")\u0081q\0", Text("a"), "Ns", Global("argparse", "Namespace"), ")\u0081q\u0001", Text("b"), "Ns(", grow, "t.");
        Assert.Contains("expected byte strings", Refusal(pickle), StringComparison.Ordinal);
    }

    // Pickles whose instructions look at long values of the memo again and again: each took minutes, or gigabytes.
    [Theory]
    [InlineData("long keys", "values to look at")]
    [InlineData("long names", "names of at most 512 characters")]
    [InlineData("arguments of unknown calls", "values to look at")]
    [InlineData("copies of a dictionary", "values to look at")]
    [InlineData("objects that share attributes", "values to look at")]
    [InlineData("modules that share parameters", "expected at most 262144 values")]
    [InlineData("tensors of many dimensions", "values to look at")]
    public void Long_values_that_are_recalled_often_are_refused(string kind, string fault)
    {
        const int many = 1 << 17;
        byte[] text = Of("X\0\0\u0010\0", new string('x', 1 << 20), "q\0");
        byte[] attributes = Of("}q\u0001(", Times("NN", many), "ucmy.own\nClass\nq\0");
        long[] ones = [.. Enumerable.Repeat(1L, 64)];
        byte[] pickle = kind switch
        {
            "long keys" => Of("(", text, Times("}h\0Ns", many), "t."),
            "long names" => Of("(", text, Times("h\0h\0\u0093", many), "t."),
            "arguments of unknown calls" =>
                Of("((", Times("N", many), "tq\0(", Times("h\0", many), "tq\u0001", Times("cmy.own\nClass\nh\u0001\u0085R0", 9), "t."),
            "copies of a dictionary" =>
                Of("(](NN\u0086q\0", Times("h\0", many), "eq\u0001", Times("ccollections\nOrderedDict\nh\u0001\u0085R0", many), "t."),
            "objects that share attributes" => Of("(", attributes, Times("h\0)\u0081h\u0001b", many), "t."),
            "modules that share parameters" => Of(
                "(", attributes, "}q\u0002(", Text("_parameters"), "h\u0001", Text("_buffers"), "}", Text("_modules"), "}u",
                Times("h\0)\u0081h\u0002b", many), "t."),
            _ => Of(
                "(", Tuple(Storage("0", 6), Int(0), Sizes(ones), Sizes(ones)), "q\0", Global("torch._utils", "_rebuild_tensor_v2"), "q\u0001",
                Times("h\u0001h\0R", many), "t."),
        };
        Assert.Contains(fault, Refusal(pickle), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("N", "expected at most 2097152 instructions")]
    [InlineData("}", "expected at most 2097152 instructions")]
    [InlineData("]", "expected at most 2097152 instructions")]
    [InlineData("\u0094", "expected at most 1048576 remembered values")]
    [InlineData("(", "expected at most 1024 values inside each other")]
    public void Millions_of_instructions_are_refused(string instruction, string fault)
    {
        byte[] pickle = Of("N", string.Concat(Enumerable.Repeat(instruction, 3_000_000)));
        Assert.Contains(fault, Refusal(pickle), StringComparison.Ordinal);
    }

    private static string Times(string instructions, int count) => string.Concat(Enumerable.Repeat(instructions, count));

    private static string Refusal(byte[] pickle) => Bounded(() => Assert.Throws<CheckpointFormatException>(() => PickleMachineTests.Load(pickle))).Message;

    private static T Bounded<T>(Func<T> load)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        T result = load();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
        return result;
    }

    private static bool LoadsOrIsRefused(byte[] pickle)
    {
        try
        {
            PickleMachineTests.Load(pickle);
            return true;
        }
        catch (CheckpointFormatException)
        {
            return false;
        }
    }
}
