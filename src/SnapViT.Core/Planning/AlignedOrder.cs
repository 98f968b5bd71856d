using System.Numerics;
using SnapViT.Core.Architecture;

namespace SnapViT.Core.Planning;

/// <summary>
/// A removal order in steps after which the widths are multiples of an alignment: as many of a block's structures as lead from one such width
/// to the next go together, where the one in the middle of them went. The unpruned width is left as it is, whether a multiple or not, and no step
/// goes below a floor.
/// </summary>
internal static class AlignedOrder
{
    /// <summary>Groups the steps of an order.</summary>
    /// <param name="architecture">The unpruned architecture.</param>
    /// <param name="order">Steps of one structure each, of one pool or of both.</param>
    /// <param name="align">The alignment, 1 or more.</param>
    public static IEnumerable<RemovalStep> Of(ViTArchitecture architecture, IReadOnlyList<RemovalStep> order, int align)
    {
        if (align == 1)
        {
            return order;
        }

        IEnumerable<(int Place, RemovalStep Step)> steps =
            from at in Enumerable.Range(0, order.Count)
            group at by (order[at].Block, order[at].OfHeads) into branch
            from step in Branch([.. branch], branch.Key, Width(architecture, branch.Key.OfHeads), HeadsOrNeurons(architecture, align, branch.Key.OfHeads))
            select step;
        return steps.OrderBy(step => step.Place).Select(step => step.Step);
    }

    /// <summary>Heads that make up a step: one, where a head is at least as wide as the alignment.</summary>
    public static int Heads(ViTArchitecture architecture, int align) =>
        architecture.HeadDim >= align ? 1 : align / (int)BigInteger.GreatestCommonDivisor(align, architecture.HeadDim);

    private static int Width(ViTArchitecture architecture, bool ofHeads) => ofHeads ? architecture.Heads : architecture.MlpDim;

    private static int HeadsOrNeurons(ViTArchitecture architecture, int align, bool ofHeads) => ofHeads ? Heads(architecture, align) : align;

    private static IEnumerable<(int Place, RemovalStep Step)> Branch(int[] places, (int Block, bool OfHeads) branch, int width, int multiple)
    {
        int first = width % multiple == 0 ? multiple : width % multiple;
        for ((int from, int count) = (0, first); from + count <= places.Length; (from, count) = (from + count, multiple))
        {
            yield return (places[from + ((count - 1) / 2)], new RemovalStep(branch.Block, branch.OfHeads, count));
        }
    }
}
