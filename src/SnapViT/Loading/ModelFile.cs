using System.Security.Cryptography;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Dialects;
using SnapViT.Data;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>Model files: published checkpoints in, pruned models with their own config in and out.</summary>
public static class ModelFile
{
    private const int HashChunk = 1 << 20;
    private const int MostListed = 8;

    /// <summary>Reads a model.</summary>
    /// <param name="path">A checkpoint in any container and dialect (<see cref="CheckpointArchive"/>, <see cref="DialectTable"/>), or a model written here.</param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <inheritdoc cref="Load(string, ModelHints)"/>
    public static LoadedModel Load(string path, int? heads = null) => Load(path, new ModelHints { Heads = heads });

    /// <summary>Reads a model.</summary>
    /// <param name="path">A checkpoint in any container and dialect (<see cref="CheckpointArchive"/>, <see cref="DialectTable"/>), or a model written here.</param>
    /// <param name="hints">What the file leaves in doubt.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="CheckpointFormatException">The file is damaged, is no such model, or a tensor is missing, unexpected or not finite.</exception>
    public static LoadedModel Load(string path, ModelHints hints)
    {
        using CanonicalArchive archive = OpenCanonical(path);
        ModelDescription description = Describe(archive, hints);
        return new LoadedModel
        {
            Path = path,
            Sha256 = Hash(path),
            Model = new VisionTransformer(ReadWeights(archive, description)),
            Description = description,
        };
    }

    /// <summary>Opens a checkpoint of any container and sees it through its dialect.</summary>
    /// <inheritdoc cref="Load(string, ModelHints)"/>
    public static CanonicalArchive OpenCanonical(string path)
    {
        ITensorArchive file = CheckpointArchive.Open(path);
        try
        {
            return CanonicalArchive.Open(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a model file is and checks every tensor's name and shape; no value is read.</summary>
    /// <param name="archive">The open file, of any dialect.</param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <inheritdoc cref="Describe(ITensorArchive, ModelHints)"/>
    public static ModelDescription Describe(ITensorArchive archive, int? heads = null) => Describe(archive, new ModelHints { Heads = heads });

    /// <summary>Reads what a model file is and checks every tensor's name and shape; no value is read.</summary>
    /// <param name="archive">The open file, of any dialect.</param>
    /// <param name="hints">What the file leaves in doubt.</param>
    /// <exception cref="CheckpointFormatException">The file is no such model, a tensor is missing or unexpected, or a fact is in doubt.</exception>
    public static ModelDescription Describe(ITensorArchive archive, ModelHints hints)
    {
        ArgumentNullException.ThrowIfNull(hints);
        ModelConfig? config = ReadConfig(archive);
        CanonicalArchive canonical = archive as CanonicalArchive ?? CanonicalArchive.Open(archive);
        ModelDescription inFile = config is null
            ? ArchitectureInference.Infer(canonical, PublishedConfig.Beside(archive.Path), hints)
            : new ModelDescription(config.Architecture, config.Widths(), [("all", "the config in the file")])
            {
                Preprocessing = config.Preprocessing,
                Provenance = config.Provenance,
            };
        RequireExactly(canonical, ParameterTable.For(inFile.Architecture, inFile.Widths));
        return hints.ImageSize is int size && size != inFile.Architecture.ImageSize ? AtSize(inFile, size, archive.Path) : inFile;
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
        using IDisposable frozen = no_grad();
        IEnumerable<TensorToWrite> tensors = ParameterTable.For(model.Architecture, model.Widths).Select(parameter =>
        {
            Tensor tensor = model.Weights[parameter.Name];
            return ArchiveTensors.ToWrite(parameter.Name, QkvLayout.Concerns(parameter.Name) ? QkvLayout.ToCheckpoint(tensor) : tensor);
        });
        SafetensorsWriter.Write(path, [.. tensors], new Dictionary<string, string> { ["format"] = "pt", [ModelConfig.MetadataKey] = config.ToJson() });
    }

    /// <summary>SHA-256 of a checkpoint, lower-case hexadecimal; of one in several files, over all of them in the order of their names.</summary>
    public static string Hash(string path)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] chunk = new byte[HashChunk];
        foreach (string file in CheckpointArchive.Files(path))
        {
            using FileStream stream = File.OpenRead(file);
            int read;
            while ((read = stream.Read(chunk)) > 0)
            {
                hash.AppendData(chunk, 0, read);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The same model for images of another size.</summary>
    private static ModelDescription AtSize(ModelDescription description, int size, string path)
    {
        ViTArchitecture inFile = description.Architecture;
        if (size <= 0 || size % inFile.PatchSize != 0)
        {
            throw new CheckpointFormatException(path, $"--image-size: expected a multiple of the patch size {inFile.PatchSize}, found {size}");
        }

        string how = inFile.Position == PositionEmbedding.Rotary ? "rotary positions computed" : $"positions resampled from {inFile.Grid}x{inFile.Grid} patches";
        return description with
        {
            Architecture = inFile with { ImageSize = size },
            ImageSizeInFile = inFile.ImageSize,
            Sources = [.. description.Sources, ($"image size {size} instead", $"--image-size, {how}")],
            Preprocessing = description.Preprocessing is Preprocessing images
                ? images with { Side = size, ResizeTo = (int)((long)images.ResizeTo * size / images.Side) }
                : null,
        };
    }

    private static ViTWeights ReadWeights(CanonicalArchive archive, ModelDescription description)
    {
        (ViTArchitecture architecture, SubnetWidths widths) = (description.Architecture, description.Widths);
        ViTArchitecture inFile = architecture with { ImageSize = description.ImageSizeInFile };
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
                else if (parameter.Name == "pos_embed" && inFile.Grid != architecture.Grid)
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

        return new ViTWeights(architecture, widths, tensors);
    }

    private static void RequireExactly(CanonicalArchive archive, IReadOnlyList<ParameterShape> table)
    {
        for (int i = 0; i < table.Count; i++)
        {
            ParameterShape expected = table[i];
            string shape = $"[{string.Join(", ", expected.Shape)}]";
            if (!archive.Tensors.TryGetValue(expected.Name, out TensorEntry? found))
            {
                throw new CheckpointFormatException(archive.Path, $"expected shape {shape}, found no such tensor{More(table.Skip(1 + i).Where(later => !archive.Tensors.ContainsKey(later.Name)).Select(later => archive.NameInFile(later.Name)))}", archive.NameInFile(expected.Name));
            }

            if (!found.Shape.SequenceEqual(expected.Shape))
            {
                throw new CheckpointFormatException(archive.Path, $"expected shape {shape}, found [{string.Join(", ", found.Shape)}]", archive.NameInFile(expected.Name));
            }
        }

        HashSet<string> known = [.. table.Select(parameter => parameter.Name)];
        string[] unexpected = [.. archive.Tensors.Keys.Where(name => !known.Contains(name)).Select(archive.NameInFile)];
        if (unexpected.Length > 0)
        {
            throw new CheckpointFormatException(archive.Path, $"this architecture has no such tensor{More(unexpected.Skip(1))}", unexpected[0]);
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
