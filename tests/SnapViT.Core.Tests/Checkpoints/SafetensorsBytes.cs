using System.Buffers.Binary;
using System.Text;

namespace SnapViT.Core.Tests.Checkpoints;

/// <summary>Safetensors files made by hand, right or wrong.</summary>
internal static class SafetensorsBytes
{
    public static byte[] Of(string header, int dataLength) => Of(Encoding.UTF8.GetBytes(header), (ulong)Encoding.UTF8.GetByteCount(header), dataLength);

    public static byte[] Of(ReadOnlySpan<byte> header, ulong statedLength, int dataLength)
    {
        byte[] file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, statedLength);
        header.CopyTo(file.AsSpan(8));
        for (int i = 0; i < dataLength; i++)
        {
            file[8 + header.Length + i] = (byte)i;
        }

        return file;
    }
}
