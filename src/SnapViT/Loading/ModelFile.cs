using System.Security.Cryptography;
using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Formats;
using SnapViT.Core.Planning;
using SnapViT.Models;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Loading;

/// <summary>Model files: published checkpoints in, pruned models with their own config in and out.</summary>
public static class ModelFile
{
    private const int HashChunk = 1 << 20;
    private const long MaxConfigLength = 4 << 20;

    /// <summary>Reads a model.</summary>
    /// <param name="path">
    /// A checkpoint in any container and format (<see cref="CheckpointArchive"/>, <see cref="StateDictFormats"/>), or a model written here.
    /// </param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <inheritdoc cref="Load(string, ModelHints)"/>
    public static LoadedModel Load(string path, int? heads = null) => Load(path, new ModelHints { Heads = heads });

    /// <summary>Reads a model.</summary>
    /// <param name="path">
    /// A checkpoint in any container and format (<see cref="CheckpointArchive"/>, <see cref="StateDictFormats"/>), or a model written here.
    /// </param>
    /// <param name="hints">What the file leaves in doubt.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="CheckpointFormatException">
    /// The file is damaged, is no such model, or a tensor is missing, unexpected or not finite.
    /// </exception>
    /// <exception cref="TorchUnavailableException">libtorch is missing.</exception>
    public static LoadedModel Load(string path, ModelHints hints)
    {
        TorchRuntime.EnsureLoaded();
        ArgumentNullException.ThrowIfNull(hints);
        using CanonicalArchive archive = OpenCanonical(path, hints.Weights, out ModelConfig? config);
        ModelDescription description = Describe(archive, config, hints);
        return new LoadedModel
        {
            Path = path,
            Sha256 = Hash(path),
            Model = new VisionTransformer(CheckpointWeights.Read(archive, description)),
            Description = description,
        };
    }

    /// <summary>Opens a checkpoint of any container and sees it through its format.</summary>
    /// <param name="path">A checkpoint in any container and format.</param>
    /// <param name="weights">Which of several models in the file, by a part of the names before it; null where it holds one only.</param>
    /// <inheritdoc cref="Load(string, ModelHints)"/>
    internal static CanonicalArchive OpenCanonical(string path, string? weights = null) => OpenCanonical(path, weights, out _);

    private static CanonicalArchive OpenCanonical(string path, string? weights, out ModelConfig? config)
    {
        ITensorArchive file = CheckpointArchive.Open(path);
        try
        {
            // A damaged config says more than the names of the tensors it was to explain.
            config = ReadConfig(file);
            return CanonicalArchive.Open(file, weights);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a model file is and checks every tensor's name and shape; no value is read.</summary>
    /// <param name="archive">The open file, of any format.</param>
    /// <param name="heads">Attention heads per block, for a checkpoint that fits no known model; null to infer them.</param>
    /// <inheritdoc cref="Describe(ITensorArchive, ModelHints)"/>
    internal static ModelDescription Describe(ITensorArchive archive, int? heads = null) =>
        Describe(archive, new ModelHints { Heads = heads });

    /// <summary>Reads what a model file is and checks every tensor's name and shape; no value is read.</summary>
    /// <param name="archive">The open file, of any format.</param>
    /// <param name="hints">What the file leaves in doubt.</param>
    /// <exception cref="CheckpointFormatException">
    /// The file is no such model, a tensor is missing or unexpected, or a fact is in doubt.
    /// </exception>
    internal static ModelDescription Describe(ITensorArchive archive, ModelHints hints) => Describe(archive, ReadConfig(archive), hints);

    private static ModelDescription Describe(ITensorArchive archive, ModelConfig? config, ModelHints hints)
    {
        ArgumentNullException.ThrowIfNull(hints);
        CanonicalArchive canonical = archive as CanonicalArchive ?? CanonicalArchive.Open(archive, hints.Weights);
        ModelDescription inFile = config is null
            ? ArchitectureInference.Infer(canonical, PublishedConfig.NextTo(archive.Path), hints)
            : OfConfig(canonical, config);
        try
        {
            CheckpointWeights.RequireExactly(canonical, ParameterTable.For(inFile.Architecture, inFile.Widths));
        }
        catch (CheckpointFormatException exception) when (config is not null && !archive.Metadata.ContainsKey(ModelConfig.MetadataKey))
        {
            string beside = ConfigPath(archive.Path);
            throw new CheckpointFormatException(
                beside,
                $"this config contradicts the model beside it and seems to be of another one; move it away: {exception.Message}",
                innerException: exception);
        }

        return hints.ImageSize is int size && size != inFile.Architecture.ImageSize ? inFile.AtImageSize(size, archive.Path) : inFile;
    }

    /// <summary>
    /// What the file's own config says. A classifier that was exchanged or dropped since then, as by fine-tuning, is that of the file.
    /// </summary>
    private static ModelDescription OfConfig(CanonicalArchive archive, ModelConfig config)
    {
        int classes = archive.Tensors.GetValueOrDefault(OutputSpec.ClassifierName.Weight) is not TensorEntry head ? 0
            : head.Shape is [> 0 and <= int.MaxValue and long outputs, _] ? (int)outputs
            : config.Architecture.Classes;
        bool isSame = classes == config.Architecture.Classes;
        return new ModelDescription(
            config.Architecture with { Classes = classes },
            config.Widths(),
            [
                (isSame ? "all" : "all but the classifier", "the config in the file"),
                .. isSame
                    ? []
                    : new (string, string)[]
                    {
                        ($"classes {classes}", $"the file's classifier; the config in it says {config.Architecture.Classes}"),
                    },
            ])
        {
            Preprocessing = config.Preprocessing,
            Provenance = config.Provenance,
            RotaryPairs = config.RotaryPairs,
            ClassNames = isSame ? config.ClassNames ?? [] : [],
            UnusedTensors = archive.UnusedTensors,
        };
    }

    /// <summary>
    /// Reads the config that a model file written here carries; where its metadata were lost, that of <see cref="ConfigPath"/>. Null for
    /// any other file.
    /// </summary>
    /// <exception cref="CheckpointFormatException">The config is damaged.</exception>
    internal static ModelConfig? ReadConfig(ITensorArchive archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        bool isInFile = archive.Metadata.TryGetValue(ModelConfig.MetadataKey, out string? json);
        string source = isInFile ? archive.Path : ConfigPath(archive.Path);
        json ??= ReadConfigNextTo(source);
        try
        {
            return json is null ? null : ModelConfig.FromJson(json);
        }
        catch (FormatException exception)
        {
            throw new CheckpointFormatException(source, exception.Message, innerException: exception);
        }
    }

    /// <summary>Where the config of a model file stands beside it: <c>small.config.json</c> of <c>small.safetensors</c>.</summary>
    public static string ConfigPath(string path) => Path.ChangeExtension(path, ".config.json");

    /// <summary>
    /// Writes a config beside its model file for people and other programs, atomically. The file's own metadata come first when it is read.
    /// </summary>
    /// <param name="path">The model file.</param>
    /// <param name="config">What the file says about itself.</param>
    /// <returns>The file written.</returns>
    /// <exception cref="IOException">It cannot be written; nothing is left of it.</exception>
    public static string SaveConfig(string path, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        string beside = ConfigPath(path);
        AtomicFile.Write(beside, stream => stream.Write(Encoding.UTF8.GetBytes(config.ToJson(indented: true) + "\n")));
        return beside;
    }

    /// <summary>The text of a config beside a model; null where there is none, or that of another program.</summary>
    private static string? ReadConfigNextTo(string path) =>
        new FileInfo(path) is { Exists: true, Length: <= MaxConfigLength }
            && File.ReadAllText(path) is string json && ModelConfig.IsOne(json)
            ? json
            : null;

    /// <summary>
    /// Writes a model with its own config, in timm's names and layout; atomically, the same model gives the same bytes. PyTorch's format
    /// has no place for the config: <see cref="SaveConfig"/> writes it beside.
    /// </summary>
    /// <param name="path">The file to write: PyTorch's format for <c>.pt</c>, <c>.pth</c> and <c>.bin</c>, else safetensors.</param>
    /// <param name="model">The model, pruned or not.</param>
    /// <param name="config">What the file says about itself; its architecture and widths must be the model's.</param>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    public static void Save(string path, VisionTransformer model, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(config);
        using DisposeScope scope = NewDisposeScope();
        IReadOnlyList<TensorToWrite> tensors = CheckpointTensors.Of(model);
        if (TorchArchiveWriter.IsTorchName(path))
        {
            TorchArchiveWriter.WriteStateDict(path, tensors);
        }
        else
        {
            SafetensorsWriter.Write(path, tensors, Metadata(config));
        }
    }

    /// <summary>Bytes of the file that <see cref="Save"/> makes of a float32 model: header, config, padding and tensors.</summary>
    /// <param name="config">
    /// What the file says about itself, with the architecture and widths that decide how large the tensors are.
    /// </param>
    public static long Bytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return ModelFileBytes.Of(config.Architecture, config.Widths(), TensorType.Float32, Metadata(config));
    }

    /// <summary>Bytes of the file that <see cref="Save"/> makes of a float32 model under a name, which decides its format.</summary>
    /// <param name="config">What the file says about itself.</param>
    /// <param name="path">The file that is to be written.</param>
    internal static long Bytes(ModelConfig config, string path) => TorchArchiveWriter.IsTorchName(path)
        ? TorchArchiveWriter.Length(CheckpointTensors.Empty(config.Architecture, config.Widths()))
        : Bytes(config);

    internal static Dictionary<string, string> Metadata(ModelConfig config) =>
        new() { ["format"] = "pt", [ModelConfig.MetadataKey] = config.ToJson() };

    /// <summary>
    /// SHA-256 over the canonical names, shapes and float32 values of a model's weights, in the order of the table; one tensor at a time.
    /// </summary>
    internal static string HashWeights(VisionTransformer model)
    {
        using IDisposable frozen = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using HashStream into = new(hash);
        foreach (TensorToWrite tensor in CheckpointTensors.Of(model))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{tensor.Entry.Name}\0{string.Join(',', tensor.Entry.Shape)}\n"));
            tensor.Write(into);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// SHA-256 of a checkpoint, lower-case hexadecimal; of one in several files, over all of them in the order of their names.
    /// </summary>
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

    /// <summary>A stream into a hash.</summary>
    private sealed class HashStream(IncrementalHash hash) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer) => hash.AppendData(buffer);

        public override void Write(byte[] buffer, int offset, int count) => hash.AppendData(buffer, offset, count);

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
