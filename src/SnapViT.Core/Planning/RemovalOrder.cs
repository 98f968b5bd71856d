using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>The steps in which the whole model shrinks to its floors. A plan is the model after the first so many of them.</summary>
internal sealed class RemovalOrder
{
    private readonly RemovalStep[] _steps;
    private readonly int[] _neurons;
    private readonly int[] _heads;

    public RemovalOrder(IEnumerable<RemovalStep> steps)
    {
        _steps = [.. steps];
        (_neurons, _heads) = (new int[_steps.Length + 1], new int[_steps.Length + 1]);
        for (int at = 0; at < _steps.Length; at++)
        {
            RemovalStep step = _steps[at];
            _neurons[at + 1] = _neurons[at] + (step.OfHeads ? 0 : step.Count);
            _heads[at + 1] = _heads[at] + (step.OfHeads ? step.Count : 0);
        }
    }

    /// <summary>Steps that can be taken at most.</summary>
    public int Length => _steps.Length;

    /// <summary>The steps, first removed first.</summary>
    public IReadOnlyList<RemovalStep> Steps => _steps;

    /// <summary>How many neurons and heads the first <paramref name="steps"/> remove.</summary>
    public (int Neurons, int Heads) After(int steps) => (_neurons[steps], _heads[steps]);

    /// <summary>What every block keeps after the first <paramref name="steps"/>.</summary>
    public SubnetWidths Widths(ViTArchitecture architecture, int steps) => Less(architecture.FullWidths, steps);

    /// <summary>What every block of a model keeps after the first <paramref name="steps"/>.</summary>
    public SubnetWidths Less(SubnetWidths widths, int steps)
    {
        int[] neurons = [.. widths.Select(block => block.Neurons)], heads = [.. widths.Select(block => block.Heads)];
        foreach (RemovalStep step in _steps.AsSpan(0, steps))
        {
            (step.OfHeads ? heads : neurons)[step.Block] -= step.Count;
        }

        return new SubnetWidths(heads.Zip(neurons, (kept, hidden) => new BlockWidths(kept, hidden)));
    }

    /// <summary>The fewest steps after which something holds that then holds for good; <see cref="Length"/> + 1 where it never does.</summary>
    public int Fewest(Func<int, bool> holds)
    {
        int low = 0, high = _steps.Length + 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = middle > _steps.Length || holds(middle) ? (low, middle) : (middle + 1, high);
        }

        return low;
    }
}
