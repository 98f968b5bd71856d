using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT;

/// <summary>
/// The recently used sub-networks of one elastic model, ready for the next request. A corrected sub-network costs a triangular solve a
/// layer and memory of its own: here it is made once, however many threads ask for it at the same moment, and forgotten when others were
/// used since.
/// </summary>
/// <remarks>
/// Thread-safe. At most <see cref="Capacity"/> sub-networks are remembered, the longest unused is forgotten first; one that is leased then
/// lives on until its last lease is disposed. Plans of equal widths are one sub-network.
/// </remarks>
public sealed class SubnetPool : IImageEmbedder, IDisposable
{
    private readonly Lock _lock = new();
    private readonly ElasticViT _elastic;

    /// <summary>By widths, for sub-networks that are remembered; the list has the most recently used first.</summary>
    private readonly Dictionary<SubnetWidths, LinkedListNode<Entry>> _remembered = [];
    private readonly LinkedList<Entry> _recent = [];
    private readonly bool _ownsModel;
    private bool _disposed;

    /// <summary>An empty pool.</summary>
    /// <param name="elastic">The elastic model; stays the caller's, who disposes it after the pool, unless the pool owns it.</param>
    /// <param name="capacity">Sub-networks remembered at most, 1 or more.</param>
    /// <param name="ownsModel">Whether the pool disposes the elastic model with itself.</param>
    public SubnetPool(ElasticViT elastic, int capacity, bool ownsModel = false)
    {
        ArgumentNullException.ThrowIfNull(elastic);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (_elastic, Capacity, _ownsModel) = (elastic, capacity, ownsModel);
    }

    /// <inheritdoc/>
    /// <remarks>The name of the model's file without its ending.</remarks>
    public string ModelName => _elastic.ModelName;

    /// <inheritdoc/>
    public int FeatureDim => _elastic.Planner.Architecture.FeatureDim;

    /// <summary>Sub-networks remembered at most.</summary>
    public int Capacity { get; }

    /// <summary>Sub-networks remembered now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _recent.Count;
            }
        }
    }

    /// <summary>Sub-networks that had to be made so far.</summary>
    public long Made
    {
        get
        {
            lock (_lock)
            {
                return field;
            }
        }

        private set;
    }

    /// <summary>The largest sub-network within a budget.</summary>
    /// <inheritdoc cref="Lease(SubnetPlan)"/>
    /// <param name="budget">What it may cost.</param>
    /// <exception cref="BudgetException">The floors make the budget impossible.</exception>
    public SubnetLease Lease(Budget budget) => Lease(_elastic.Plan(budget));

    /// <summary>The sub-network of a plan, remembered or made now. The caller disposes the lease, not the sub-network.</summary>
    /// <param name="plan">A plan of the elastic model's planner.</param>
    /// <exception cref="SnapViTException">
    /// A layer cannot be corrected (<see cref="Correction.ElasticCorrection.At"/>); the next request tries again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    public SubnetLease Lease(SubnetPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        List<Entry> unused = [];
        Entry entry;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            entry = Recall(plan);
            entry.Leases++;
            while (_recent.Count > Capacity)
            {
                Forget(_recent.Last!.Value, unused);
            }
        }

        unused.ForEach(one => one.Dispose());
        try
        {
            // Outside the lock: others that want this sub-network wait for it here, those that want another one do not.
            return new SubnetLease(entry.Subnet, () => GiveBack(entry));
        }
        catch
        {
            Drop(entry);
            throw;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<ReadOnlyMemory<float>> Embed(
        IReadOnlyList<ImageEntry> images, Budget budget, CancellationToken cancellation = default)
    {
        float[] prepared = _elastic.Preprocessing.Prepare(images, cancellation);
        using SubnetLease subnet = Lease(budget);
        using DisposeScope scope = NewDisposeScope();
        int side = _elastic.Preprocessing.Side;
        Tensor features = subnet.Embed(tensor(prepared, [images.Count, 3, side, side], device: subnet.Model.Weights.Device));
        float[] values = [.. features.cpu().data<float>()];
        return [.. values.Chunk(FeatureDim).Select(vector => new ReadOnlyMemory<float>(vector))];
    }

    /// <summary>Forgets all sub-networks. Leases stay valid until they are disposed.</summary>
    public void Dispose()
    {
        List<Entry> unused = [];
        lock (_lock)
        {
            _disposed = true;
            while (_recent.Last is { Value: Entry last })
            {
                Forget(last, unused);
            }
        }

        unused.ForEach(one => one.Dispose());
        if (_ownsModel)
        {
            _elastic.Dispose();
        }
    }

    /// <summary>The entry of a plan as the most recently used one; within the lock.</summary>
    private Entry Recall(SubnetPlan plan)
    {
        if (_remembered.TryGetValue(plan.Widths, out LinkedListNode<Entry>? node))
        {
            _recent.Remove(node);
            _recent.AddFirst(node);
            return node.Value;
        }

        Entry entry = new(plan, _elastic.At);
        _remembered.Add(plan.Widths, _recent.AddFirst(entry));
        Made++;
        return entry;
    }

    /// <summary>Removes an entry; one that nobody uses goes to those that the caller disposes outside the lock.</summary>
    private void Forget(Entry entry, List<Entry> unused)
    {
        if (_remembered.TryGetValue(entry.Plan.Widths, out LinkedListNode<Entry>? node) && node.Value == entry)
        {
            _remembered.Remove(entry.Plan.Widths);
            _recent.Remove(node);
            entry.IsForgotten = true;
            if (entry.Leases == 0)
            {
                unused.Add(entry);
            }
        }
    }

    private void GiveBack(Entry entry)
    {
        bool last;
        lock (_lock)
        {
            last = --entry.Leases == 0 && entry.IsForgotten;
        }

        if (last)
        {
            entry.Dispose();
        }
    }

    /// <summary>Ends the lease of a sub-network that could not be made, and forgets the failure.</summary>
    private void Drop(Entry entry)
    {
        lock (_lock)
        {
            Forget(entry, []);
        }

        GiveBack(entry);
    }

    /// <summary>One sub-network, made by whoever asks for it first.</summary>
    private sealed class Entry(SubnetPlan plan, Func<SubnetPlan, Subnet> make) : IDisposable
    {
        private readonly Lazy<Subnet> _subnet = new(() => make(plan), LazyThreadSafetyMode.ExecutionAndPublication);

        public SubnetPlan Plan => plan;

        public Subnet Subnet => _subnet.Value;

        /// <summary>Leases that have not ended; read and changed within the pool's lock.</summary>
        public int Leases { get; set; }

        /// <summary>Whether the pool has let go of it.</summary>
        public bool IsForgotten { get; set; }

        public void Dispose()
        {
            if (_subnet.IsValueCreated)
            {
                _subnet.Value.Dispose();
            }
        }
    }
}
