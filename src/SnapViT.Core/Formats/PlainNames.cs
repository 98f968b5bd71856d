using System.Collections.ObjectModel;
using System.Text.RegularExpressions;
using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Formats;

/// <summary>
/// A checkpoint under the names that its tensors have without what training wraps around modules (torch.compile, FSDP, activation
/// checkpointing), and without the chunks in which DINOv2 trains its blocks: <c>blocks.0.7.norm1</c> is <c>blocks.7.norm1</c>.
/// </summary>
internal sealed partial class PlainNames : ITensorArchive
{
    private readonly ITensorArchive _file;
    private readonly Dictionary<string, string> _inFile;

    private PlainNames(ITensorArchive file, Dictionary<string, string> inFile)
    {
        (_file, _inFile) = (file, inFile);
        OrderedDictionary<string, TensorEntry> tensors = [];
        foreach ((string plain, string name) in inFile)
        {
            TensorEntry entry = file.Tensors[name];
            tensors.Add(plain, plain == name ? entry : new TensorEntry(plain, entry.Type, entry.Shape));
        }

        Tensors = new ReadOnlyDictionary<string, TensorEntry>(tensors);
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>The file itself.</summary>
    public ITensorArchive File => _file;

    /// <summary>Sees a file under plain names.</summary>
    /// <exception cref="CheckpointFormatException">Two tensors would have one name.</exception>
    public static PlainNames Of(ITensorArchive file)
    {
        Dictionary<string, string> inFile = [];
        foreach (string name in file.Tensors.Keys)
        {
            string plain = Chunk().Replace(Wrappers().Replace(name, ""), "$1$2");
            if (!inFile.TryAdd(plain, name))
            {
                throw new CheckpointFormatException(
                    file.Path,
                    $"expected one tensor {CheckpointFormatException.Quote(plain)}, "
                    + $"found it also as {CheckpointFormatException.Quote(inFile[plain])}",
                    name);
            }
        }

        return new PlainNames(file, inFile);
    }

    /// <summary>The name in the file of a plain name; the same where the file has no such tensor.</summary>
    public string InFile(string plain) => _inFile.GetValueOrDefault(plain, plain);

    /// <inheritdoc/>
    public void Read(string name, Span<byte> destination) => _file.Read(InFile(name), destination);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    [GeneratedRegex(@"(?<=^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_fpw_module|_forward_module)\.")]
    private static partial Regex Wrappers();

    [GeneratedRegex(@"((?:^|\.)blocks\.)[0-9]+\.([0-9]+\.)")]
    private static partial Regex Chunk();
}
