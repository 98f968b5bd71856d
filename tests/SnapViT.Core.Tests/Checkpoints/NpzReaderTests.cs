using System.Text;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Tests.Checkpoints.Zip;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class NpzReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>An array as numpy.save writes it.</summary>
    public static byte[] Array(string descr, string order, string shape, byte[] values, byte version = 1)
    {
        byte[] header = Encoding.ASCII.GetBytes($"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        byte[] length = version == 1 ? BitConverter.GetBytes((ushort)header.Length) : BitConverter.GetBytes(header.Length);
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. header, .. values];
    }

    public static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public void Arrays_are_tensors_by_the_names_of_their_files(bool deflated, byte version)
    {
        string path = _folder.Put("a.npz", ZipBytes.Of(
            new ZipPart("Transformer/x/kernel.npy", Array("<f4", "False", "2, 3", Floats(0, 1, 2, 3, 4, 5), version)) { Deflated = deflated },
            new ZipPart("columns.npy", Array("<f4", "True", "2, 3", Floats(0, 1, 2, 3, 4, 5), version)) { Deflated = deflated },
            new ZipPart("step.npy", Array("<i8", "False", "", BitConverter.GetBytes(7L), version)),
            new ZipPart("one.npy", Array("<f2", "False", "2,", [0, 0x3c, 0, 0x40], version))));
        using ITensorArchive archive = CheckpointArchive.Open(path);
        Assert.Equal(["Transformer/x/kernel F32[2, 3]", "columns F32[2, 3]", "step I64[]", "one F16[2]"], archive.Tensors.Values.Select(tensor => tensor.ToString()));
        Assert.Equal([0, 1, 2, 3, 4, 5], archive.ReadFloats("Transformer/x/kernel"));
        Assert.Equal([0, 2, 4, 1, 3, 5], archive.ReadFloats("columns"));
        Assert.Equal([7], archive.ReadLongs("step"));
        Assert.Equal([1, 2], archive.ReadFloats("one"));
    }

    [Theory]
    [InlineData("|O", "2,", 16, "expected little-endian numbers, found the type '|O'")]
    [InlineData(">f4", "2,", 8, "expected little-endian numbers, found the type '>f4'")]
    [InlineData("<f4", "3,", 8, "expected 12 bytes for the shape [3], found 8")]
    [InlineData("<f4", "9223372036854775807, 9223372036854775807", 8, "has more elements than 63 bits can address")]
    [InlineData("<f4", "99999999999999999999,", 8, "expected a size, found '99999999999999999999'")]
    [InlineData("<f4", "-1,", 8, "expected the header of a NumPy array")]
    [InlineData("<f4'), 'x': ('", "1,", 4, "expected the header of a NumPy array")]
    public void What_is_no_array_of_numbers_is_refused(string descr, string shape, int bytes, string fault)
    {
        string path = _folder.Put("a.npz", ZipBytes.Of(new ZipPart("a.npy", Array(descr, "False", shape, new byte[bytes]))));
        CheckpointFormatException refusal = Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(path));
        Assert.Contains(fault, refusal.Message, StringComparison.Ordinal);
        Assert.Equal("a", refusal.Tensor);
    }

    [Fact]
    public void An_array_cut_anywhere_or_changed_anywhere_is_refused_or_still_read()
    {
        byte[] whole = Array("<f4", "False", "2,", Floats(1, 2));
        for (int i = 0; i < whole.Length; i++)
        {
            Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(_folder.Put("cut.npz", ZipBytes.Of(new ZipPart("a.npy", whole[..i])))));
            byte[] changed = [.. whole];
            changed[i] ^= 0x41;
            try
            {
                using ITensorArchive archive = CheckpointArchive.Open(_folder.Put("changed.npz", ZipBytes.Of(new ZipPart("a.npy", changed))));
                archive.Read("a", new byte[archive.Tensors["a"].ByteLength]);
            }
            catch (CheckpointFormatException refusal)
            {
                Assert.Equal("a", refusal.Tensor);
            }
        }
    }
}
