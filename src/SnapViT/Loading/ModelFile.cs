using System.Security.Cryptography;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>Model files: published checkpoints in, pruned models with their own config in and out.</summary>
public static class ModelFile
{
    /// <summary>Reads a model.</summary>
    /// <param name="path">A safetensors file with timm's tensor names.</param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="CheckpointFormatException">The file is damaged, is no such model, or a tensor is missing, unexpected or not finite.</exception>
    public static LoadedModel Load(string path, int? heads = null)
    {
        using SafetensorsReader archive = SafetensorsReader.Open(path);
        ModelDescription description = Describe(archive, heads);
        return new LoadedModel
        {
            Path = path,
            Sha256 = Hash(path),
            Model = new VisionTransformer(ReadWeights(archive, description.Architecture, description.Widths)),
            Description = description,
        };
    }

    /// <summary>Reads what a model file is and checks every tensor's name and shape; no value is read.</summary>
    /// <param name="archive">The open file.</param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <exception cref="CheckpointFormatException">The file is no such model, or a tensor is missing or unexpected.</exception>
    public static ModelDescription Describe(ITensorArchive archive, int? heads = null)
    {
        ModelConfig? config = ReadConfig(archive);
        ModelDescription description = config is null
            ? ArchitectureInference.Infer(archive, heads)
            : new ModelDescription(config.Architecture, config.Widths(), [("all", "the config in the file")])
            {
                Preprocessing = config.Preprocessing,
                Provenance = config.Provenance,
            };
        RequireExactly(archive, ParameterTable.For(description.Architecture, description.Widths));
        return description;
    }

    /// <summary>Reads the config that a model file written here carries; null for any other safetensors file.</summary>
    /// <exception cref="CheckpointFormatException">The config is damaged.</exception>
    public static ModelConfig? ReadConfig(ITensorArchive archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        if (!archive.Metadata.TryGetValue(ModelConfig.MetadataKey, out string? json))
        {
            return null;
        }

        try
        {
            return ModelConfig.FromJson(json);
        }
        catch (FormatException exception)
        {
            throw new CheckpointFormatException(archive.Path, exception.Message, innerException: exception);
        }
    }

    /// <summary>Writes a model with its own config, in timm's names and layout; atomically, the same model gives the same bytes.</summary>
    /// <param name="path">The safetensors file to write.</param>
    /// <param name="model">The model, pruned or not.</param>
    /// <param name="config">What the file says about itself; its architecture and widths must be the model's.</param>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    public static void Save(string path, VisionTransformer model, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        using DisposeScope scope = NewDisposeScope();
        SafetensorsWriter.Write(path, CheckpointTensors.Of(model), new Dictionary<string, string> { ["format"] = "pt", [ModelConfig.MetadataKey] = config.ToJson() });
    }

    /// <summary>SHA-256 of a file, lower-case hexadecimal.</summary>
    public static string Hash(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static ViTWeights ReadWeights(ITensorArchive archive, ViTArchitecture architecture, SubnetWidths widths)
    {
        using IDisposable frozen = no_grad();
        Dictionary<string, Tensor> tensors = [];
        try
        {
            foreach (ParameterShape parameter in ParameterTable.For(architecture, widths))
            {
                Tensor values = archive.ReadFloat32(parameter.Name).DetachFromDisposeScope();
                if (QkvLayout.Concerns(parameter.Name))
                {
                    using Tensor rows = values;
                    values = QkvLayout.ToModel(rows, architecture.HeadWidth).DetachFromDisposeScope();
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

        return new ViTWeights(architecture, widths, tensors);
    }

    private static void RequireExactly(ITensorArchive archive, IReadOnlyList<ParameterShape> table)
    {
        foreach (ParameterShape expected in table)
        {
            string shape = $"[{string.Join(", ", expected.Shape)}]";
            if (!archive.Tensors.TryGetValue(expected.Name, out TensorEntry? found))
            {
                throw new CheckpointFormatException(archive.Path, $"expected shape {shape}, found no such tensor", expected.Name);
            }

            if (!found.Shape.SequenceEqual(expected.Shape))
            {
                throw new CheckpointFormatException(archive.Path, $"expected shape {shape}, found [{string.Join(", ", found.Shape)}]", expected.Name);
            }
        }

        HashSet<string> known = [.. table.Select(parameter => parameter.Name)];
        if (archive.Tensors.Keys.FirstOrDefault(name => !known.Contains(name)) is string unexpected)
        {
            throw new CheckpointFormatException(archive.Path, "this architecture has no such tensor", unexpected);
        }
    }
}
