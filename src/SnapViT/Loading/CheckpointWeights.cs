using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Models;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>The weights of a model out of a checkpoint: exactly those of its architecture, in the model's layout.</summary>
internal static class CheckpointWeights
{
    private const int MostListed = 8;

    /// <summary>Reads all weights in float32; position embeddings are resampled where another image size was asked for.</summary>
    /// <exception cref="CheckpointFormatException">A tensor is no floating-point one, or not finite.</exception>
    public static ViTWeights Read(CanonicalArchive archive, ModelDescription description)
    {
        (ViTArchitecture architecture, SubnetWidths widths) = (description.Architecture, description.Widths);
        ViTArchitecture inFile = architecture with { ImageSize = description.ImageSizeInFile };
        using IDisposable frozen = no_grad();
        Dictionary<string, Tensor> tensors = [];
        try
        {
            foreach (ParameterSpec parameter in ParameterTable.For(architecture, widths))
            {
                Tensor values = archive.ReadFloat32(parameter.Name).DetachFromDisposeScope();
                if (!parameter.Layout.Equals(ParameterLayout.Same))
                {
                    using Tensor rows = values;
                    values = parameter.ToModel(rows).DetachFromDisposeScope();
                }
                else if (parameter.Role == ParameterRole.Position && inFile.Grid != architecture.Grid)
                {
                    using Tensor table = values;
                    values = PositionTable.Resample(table, inFile, architecture.Grid).DetachFromDisposeScope();
                }

                tensors.Add(parameter.Name, values);
            }
        }
        catch
        {
            foreach (Tensor tensor in tensors.Values)
            {
                tensor.Dispose();
            }

            throw;
        }

        return new ViTWeights(architecture, widths, tensors, description.RotaryPairs);
    }

    /// <summary>Refuses a checkpoint that lacks a tensor of the table, has one of another shape, or one that is not in it.</summary>
    public static void RequireExactly(CanonicalArchive archive, ParameterTable table)
    {
        for (int i = 0; i < table.Count; i++)
        {
            ParameterSpec expected = table[i];
            string shape = $"[{string.Join(", ", expected.Shape)}]";
            if (!archive.Tensors.TryGetValue(expected.Name, out TensorEntry? found))
            {
                IEnumerable<string> later = table.Skip(i + 1)
                    .Select(parameter => parameter.Name)
                    .Where(name => !archive.Tensors.ContainsKey(name))
                    .Select(archive.NameInFile);
                throw new CheckpointFormatException(
                    archive.Path,
                    $"expected shape {shape}, found no such tensor{More(later)}",
                    archive.NameInFile(expected.Name));
            }

            if (found.Type is not (TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16 or TensorType.Float64))
            {
                throw new CheckpointFormatException(
                    archive.Path,
                    $"expected a floating-point tensor of 16 to 64 bits, found {found.Type.SafetensorsName()}: "
                        + "pass the model before it was quantised, or convert it to float16, bfloat16 or float32 first",
                    archive.NameInFile(expected.Name));
            }

            if (!found.Shape.SequenceEqual(expected.Shape))
            {
                throw new CheckpointFormatException(
                    archive.Path,
                    $"expected shape {shape}, found [{string.Join(", ", found.Shape)}]",
                    archive.NameInFile(expected.Name));
            }
        }

        HashSet<string> known = [.. table.Select(parameter => parameter.Name)];
        string[] unexpected = [.. archive.Tensors.Keys.Where(name => !known.Contains(name)).Select(archive.NameInFile)];
        if (unexpected.Length > 0)
        {
            throw new CheckpointFormatException(
                archive.Path,
                $"this architecture has no such tensor{More(unexpected.Skip(1))}",
                unexpected[0]);
        }
    }

    /// <summary>The further names of a fault, as many as fit a line.</summary>
    private static string More(IEnumerable<string> names)
    {
        string[] others = [.. names];
        string dots = others.Length > MostListed ? $" and {others.Length - MostListed} more" : "";
        return others.Length == 0 ? "" : $" (nor {string.Join(", ", others.Take(MostListed))}{dots})";
    }
}
