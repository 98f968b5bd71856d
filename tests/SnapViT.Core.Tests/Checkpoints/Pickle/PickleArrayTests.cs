using System.Text;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Checkpoints.Pickle;

namespace SnapViT.Core.Tests.Checkpoints.Pickle;

/// <summary>Arrays of numpy in pickles of data: read by their place, and nothing else is allowed by that.</summary>
public sealed class PickleArrayTests
{
    private const string Begin = "\u0080\u0002cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\u0000\u0085U\u0001b\u0087R";
    private const string Type = "cnumpy\ndtype\nU\u0002u1K\u0000K\u0001\u0087R(K\u0003U\u0001|NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\u0000tb";
    private const string Array23 = Begin + "(K\u0001K\u0002K\u0003\u0086" + Type + "\u0089T\u0006\u0000\u0000\u0000abcdeftb.";

    [Fact]
    public void An_array_is_its_type_its_shape_and_the_place_of_its_content()
    {
        byte[] pickle = Encoding.Latin1.GetBytes(Array23);
        PickleArray array = Assert.IsType<PickleArray>(PickleMachine.LoadData("x", pickle));
        Assert.Equal((TensorType.UInt8, "2, 3"), (array.Type, string.Join(", ", array.Shape)));
        Assert.Equal("abcdef", Encoding.Latin1.GetString(pickle, array.Offset, 6));
    }

    [Theory]
    [InlineData("K\u0002K\u0003", "K\u0002K\u0004", "expected the content of an array [2, 4], found 6 bytes")]
    [InlineData("K\u0002K\u0003", "J\u00ff\u00ff\u00ff\u007fJ\u00ff\u00ff\u00ff\u007f", "expected the content of an array")]
    [InlineData("K\u0002K\u0003", "J\u00ff\u00ff\u00ff\u00ffK\u0003", "expected the content of an array")]
    [InlineData("U\u0002u1", "U\u0002O8", "expected a type of numbers, found 'O8'")]
    [InlineData("\u0089T", "\u0088T", "expected (version, shape, dtype, False, content)")]
    [InlineData("cnumpy\nndarray", "ccollections\nOrderedDict", "expected an array of numpy")]
    [InlineData("cnumpy\nndarray", "cos\nsystem", "refused the global 'os.system'")]
    [InlineData("T\u0006\u0000\u0000\u0000abcdef", "T\u00ff\u0000\u0000\u0000abcdef", "cut off or damaged")]
    [InlineData("tb.", "t0.", "refused an array without its content")]
    public void An_array_that_contradicts_itself_is_refused(string part, string by, string fault)
    {
        int at = Array23.LastIndexOf(part, StringComparison.Ordinal);
        byte[] pickle = Encoding.Latin1.GetBytes(Array23[..at] + by + Array23[(at + part.Length)..]);
        Assert.Contains(fault, Assert.Throws<CheckpointFormatException>(() => PickleMachine.LoadData("x", pickle)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_may_not_hold_long_strings_of_Python_2() => Assert.Contains(
        "refused the instruction 0x54",
        Assert.Throws<CheckpointFormatException>(() =>
            PickleMachine.Load("x", Encoding.Latin1.GetBytes("\u0080\u0002T\u0001\u0000\u0000\u0000a."), _ => null, out _)).Message,
        StringComparison.Ordinal);
}
