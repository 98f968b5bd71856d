using CsCheck;
using SnapViT.Core.Checkpoints;
using static SnapViT.Core.Tests.Checkpoints.Pickle.PickleBytes;

namespace SnapViT.Core.Tests.Checkpoints;

/// <summary>Containers with several bytes changed, inserted or lost at random, thousands of them: a named refusal, or tensors that can all be read.</summary>
public sealed class HostileContainerTests : IDisposable
{
    private const long MostBytes = 1L << 26;

    /// <summary>Where, how (changed, inserted, lost, copied from elsewhere) and with what.</summary>
    private static readonly Gen<(int At, int How, byte With)[]> Changes = Gen.Select(Gen.Int[0, 4000], Gen.Int[0, 3], Gen.Byte).Array[1, 6];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Safetensors_with_random_changes_are_refused_or_still_true() => Mutate(SafetensorsBytes.Of(
        """{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}""", 16));

    [Fact]
    public void Zips_of_pytorch_with_random_changes_are_refused_or_still_true() => Mutate(File(StateDict, ("0", new byte[24]), ("1", new byte[12])));

    /// <summary>The checksum is right, as someone who means harm would see to: the pickle alone has to be found out.</summary>
    [Fact]
    public void A_pickle_with_random_changes_under_a_right_checksum_is_refused_or_still_true() =>
        Sample(changes => File(Changed(StateDict, changes), ("0", new byte[24]), ("1", new byte[12])));

    [Fact]
    public void A_pickle_with_any_byte_flipped_under_a_right_checksum_is_refused_or_still_true()
    {
        int accepted = 0;
        for (int i = 0; i < StateDict.Length; i++)
        {
            foreach (byte mask in new byte[] { 0x01, 0x02, 0x04, 0x10, 0x20, 0x80, 0xff })
            {
                byte[] pickle = [.. StateDict];
                pickle[i] ^= mask;
                accepted += OpensOrIsRefused(File(pickle, ("0", new byte[24]), ("1", new byte[12]))) ? 1 : 0;
            }
        }

        Assert.InRange(accepted, 1, StateDict.Length * 5);
    }

    [Fact]
    public void A_large_tensor_is_read_into_the_caller_s_memory_without_a_second_copy()
    {
        const int Elements = 4 << 20;
        TorchArchiveWriter.WriteStateDict(_folder.File("large.pt"), [TensorToWrite.From("w", new float[Elements], Elements)]);
        using ITensorArchive archive = CheckpointArchive.Open(_folder.File("large.pt"));
        byte[] destination = new byte[Elements * sizeof(float)];
        long before = GC.GetAllocatedBytesForCurrentThread();
        archive.Read("w", destination);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static byte[] StateDict { get; } = Of(
        "\u0080\u0002}(", Text("model"), Global("collections", "OrderedDict"), ")R(",
        Text("a.weight"), Tensor(Storage("0", 6), 0, [2, 3], [3, 1]), Text("a.bias"), Tensor(Storage("1", 3), 1, [2], [1]), "u", Text("epoch"), Int(3), Text("list"), "](K\u0001K\u0002eu.");

    private static byte[] Changed(byte[] content, (int At, int How, byte With)[] changes)
    {
        List<byte> bytes = [.. content];
        foreach ((int at, int how, byte with) in changes)
        {
            int place = at % Math.Max(bytes.Count, 1);
            if (how == 1 || bytes.Count == 0)
            {
                bytes.Insert(place, with);
            }
            else if (how == 2)
            {
                bytes.RemoveAt(place);
            }
            else
            {
                bytes[place] = how == 0 ? with : bytes[with % bytes.Count];
            }
        }

        return [.. bytes];
    }

    private void Mutate(byte[] whole) => Sample(changes => Changed(whole, changes));

    private void Sample(Func<(int At, int How, byte With)[], byte[]> file)
    {
        int accepted = 0;
        Changes.Sample(changes => { accepted += OpensOrIsRefused(file(changes)) ? 1 : 0; }, iter: 5000, threads: 1);
        Assert.InRange(accepted, 1, 4999);
    }

    private bool OpensOrIsRefused(byte[] content)
    {
        string path = _folder.Put("hostile", content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using ITensorArchive archive = CheckpointArchive.Open(path);
            foreach (TensorEntry entry in archive.Tensors.Values)
            {
                // A tensor is never larger than the file it is said to be in.
                Assert.InRange(entry.ByteLength, 0, content.Length);
                archive.Read(entry.Name, new byte[entry.ByteLength]);
            }

            return true;
        }
        catch (CheckpointFormatException refusal)
        {
            Assert.DoesNotContain('\n', refusal.Message);
            return false;
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
        }
    }
}
