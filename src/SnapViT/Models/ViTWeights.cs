using SnapViT.Core.Architecture;
using SnapViT.Core.Architecture.Parts;
using SnapViT.Models.Parts;
using static TorchSharp.torch;

namespace SnapViT.Models;

/// <summary>
/// The learned tensors of one model by canonical name, the one that timm gives them. Owns them: disposing disposes every handle, while
/// storage that other weights view lives on with them.
/// </summary>
/// <remarks>
/// Shapes are those of a checkpoint, but for qkv, which is kept head-major: weight [A, 3, d, D] and bias [A, 3, d], so that a prefix of
/// heads is one contiguous piece of memory.
/// </remarks>
public sealed class ViTWeights : IDisposable
{
    private readonly Dictionary<string, Tensor> _tensors;

    /// <summary>Takes ownership of the tensors and checks that they are exactly those that the architecture and widths ask for.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="widths">Widths of every block.</param>
    /// <param name="tensors">Tensors in model layout by canonical name; disposed here when they do not fit.</param>
    /// <param name="rotaryPairs">
    /// The rotary pairs of every block in the order of its queries and keys; null where they lie as published.
    /// </param>
    /// <exception cref="ArgumentException">A tensor is missing, unexpected or has another shape; the message names it.</exception>
    internal ViTWeights(ViTArchitecture architecture, SubnetWidths widths, IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IReadOnlyList<IReadOnlyList<int>>? rotaryPairs = null)
        : this(architecture, widths, tensors, rotaryPairs, fits: false)
    {
    }

    private ViTWeights(ViTArchitecture architecture, SubnetWidths widths, IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IReadOnlyList<IReadOnlyList<int>>? rotaryPairs, bool fits)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        (Architecture, Widths, RotaryPairs) = (architecture, widths, rotaryPairs);
        _tensors = new(tensors, StringComparer.Ordinal);
        try
        {
            Table = ParameterTable.For(architecture, widths);
            if (!fits)
            {
                RequireExactly(Table);
            }

            if (RotarySpec.PairFault(architecture, widths, rotaryPairs) is string fault)
            {
                throw new ArgumentException(fault, nameof(rotaryPairs));
            }

            Blocks = [.. Table.Blocks.Select(block => new BlockPart(this, block))];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The unpruned architecture.</summary>
    public ViTArchitecture Architecture { get; }

    /// <summary>Widths of every block.</summary>
    public SubnetWidths Widths { get; }

    /// <summary>
    /// The rotary pairs of every block in the order in which queries and keys have them, the two dimensions of a pair side by side; of a
    /// block that keeps fewer dimensions the first count. Null where all dimensions lie as published.
    /// </summary>
    internal IReadOnlyList<IReadOnlyList<int>>? RotaryPairs { get; }

    /// <summary>All tensors, in the order they were given.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>Where the tensors are kept.</summary>
    public Device Device => this[Table.PatchEmbedding.Layer.Weight].device;

    /// <summary>Everything that is known about the tensors.</summary>
    internal ParameterTable Table { get; }

    /// <summary>The parts of every block.</summary>
    internal IReadOnlyList<BlockPart> Blocks { get; }

    /// <summary>The tensor of that canonical name.</summary>
    /// <exception cref="KeyNotFoundException">The architecture has no such tensor.</exception>
    /// <exception cref="ObjectDisposedException">The weights were disposed.</exception>
    public Tensor this[string name]
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return _tensors[name];
        }
    }

    /// <summary>Whether the tensors are gone.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>The tensor of that parameter, in model layout.</summary>
    internal Tensor this[ParameterSpec parameter] => this[parameter.Name];

    /// <summary>The tensor of that parameter, or null for none.</summary>
    internal Tensor? Find(ParameterSpec? parameter) => parameter is null ? null : this[parameter];

    /// <summary>New weights, every tensor of which is made from one of these.</summary>
    /// <param name="widths">Widths of the new weights.</param>
    /// <param name="make">Parameter and tensor in model layout to a new tensor; a view is fine, the same handle is not.</param>
    /// <param name="rotaryPairs">Rotary pairs of the new weights; null for those of these.</param>
    /// <param name="fits">Whether every tensor is known to have its shape, which to ask for takes as long as to make a view.</param>
    internal ViTWeights Map(
        SubnetWidths widths, Func<ParameterSpec, Tensor, Tensor> make, IReadOnlyList<IReadOnlyList<int>>? rotaryPairs = null,
        bool fits = false)
    {
        Dictionary<string, Tensor> made = [];
        try
        {
            foreach (ParameterSpec parameter in Table)
            {
                made.Add(parameter.Name, make(parameter, this[parameter]).DetachFromDisposeScope());
            }
        }
        catch
        {
            DisposeAll(made.Values);
            throw;
        }

        return new ViTWeights(Architecture, widths, made, rotaryPairs ?? RotaryPairs, fits);
    }

    /// <summary>
    /// A copy in the given precision. Matrix weights and their biases take it; tokens, positions, norms, layer scales and classifiers stay
    /// in float32, in which the residual stream and every LayerNorm are computed.
    /// </summary>
    /// <param name="precision">float32 or bfloat16.</param>
    /// <param name="device">Where the copy lives; null for where these weights are.</param>
    public ViTWeights To(ScalarType precision, Device? device = null)
    {
        using IDisposable frozen = no_grad();
        return Map(Widths, (parameter, tensor) =>
            tensor.to(parameter.IsMatrix ? precision : ScalarType.Float32, device ?? tensor.device, copy: true));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        DisposeAll(_tensors.Values);
        _tensors.Clear();
    }

    private static void DisposeAll(IEnumerable<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            tensor.Dispose();
        }
    }

    private void RequireExactly(ParameterTable table)
    {
        foreach (ParameterSpec expected in table)
        {
            if (!_tensors.TryGetValue(expected.Name, out Tensor? found))
            {
                throw new ArgumentException(
                    $"{expected.Name}: expected a tensor of shape [{string.Join(", ", expected.Shape)}], found none");
            }

            long[] shape = [.. expected.ModelShape];
            if (!found.shape.AsSpan().SequenceEqual(shape))
            {
                throw new ArgumentException(
                    $"{expected.Name}: expected shape [{string.Join(", ", shape)}], found [{string.Join(", ", found.shape)}]");
            }
        }

        if (_tensors.Count != table.Count)
        {
            string unexpected = _tensors.Keys.Except(table.Select(parameter => parameter.Name), StringComparer.Ordinal).First();
            throw new ArgumentException($"{unexpected}: this architecture has no such tensor");
        }
    }
}
