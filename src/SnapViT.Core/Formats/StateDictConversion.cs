using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;

namespace SnapViT.Core.Formats;

/// <summary>Writes a checkpoint again under the names of another publisher: the same bits, in the same precision.</summary>
internal static class StateDictConversion
{
    /// <summary>Writes a checkpoint in another format; one tensor is in memory at a time.</summary>
    /// <param name="source">The open checkpoint.</param>
    /// <param name="architecture">Its architecture, at the image size of the file.</param>
    /// <param name="widths">Its widths.</param>
    /// <param name="format">The format to write.</param>
    /// <param name="path">The target: PyTorch's format for <c>.pt</c>, <c>.pth</c> and <c>.bin</c>, else safetensors.</param>
    /// <param name="metadata">Free text for a safetensors file; null for that which says PyTorch's layout.</param>
    /// <returns>Names of the tensors in the file.</returns>
    /// <exception cref="SnapViTException">The format has no name for a tensor of the model.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    public static IReadOnlyList<string> Write(
        CanonicalArchive source, ViTArchitecture architecture, SubnetWidths widths, StateDictFormat format, string path,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        RequireOneWidth(architecture, widths, format);
        IReadOnlyList<TensorToWrite> tensors = StateDictWriter.ToFormat(
            format, architecture, ParameterTable.For(architecture, widths).Select(parameter => Copy(source, parameter.Name)));
        if (TorchArchiveWriter.IsTorchName(path))
        {
            TorchArchiveWriter.WriteStateDict(path, tensors);
        }
        else
        {
            SafetensorsWriter.Write(path, tensors, metadata ?? new Dictionary<string, string> { ["format"] = "pt" });
        }

        return [.. tensors.Select(tensor => tensor.Entry.Name)];
    }

    /// <summary>Refuses heads whose queries are not as wide as their values where a format keeps the two as layers of their own.</summary>
    private static void RequireOneWidth(ViTArchitecture architecture, SubnetWidths widths, StateDictFormat format)
    {
        foreach (ParameterSpec parameter in ParameterTable.For(architecture, widths))
        {
            if (parameter.Layout.RowsOfHead.Distinct().Count() > 1
                && StateDictNames.Rule(format, parameter.Name) is (KeyRule { File.Count: > 1 }, _))
            {
                throw new SnapViTException(
                    ErrorKind.Architecture,
                    $"format {format.Name}: expected queries, keys and values of one width, found {parameter.Layout.RowsOfHead[0]} and "
                        + $"{parameter.Layout.RowsOfHead[^1]} dimensions of a head in block {parameter.Block}; choose a format that keeps "
                        + "them in one layer, such as timm");
            }
        }
    }

    private static TensorToWrite Copy(CanonicalArchive source, string name)
    {
        TensorEntry entry = source.Tensors[name];
        return new TensorToWrite(name, entry.Type, entry.Shape, stream =>
        {
            byte[] bytes = new byte[checked((int)entry.ByteLength)];
            source.Read(name, bytes);
            stream.Write(bytes);
        });
    }
}
