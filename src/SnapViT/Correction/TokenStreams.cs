using SnapViT.Core.Architecture;
using SnapViT.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Correction;

/// <summary>Tokens of all calibration images before one block, in the unpruned and in the pruned network side by side.</summary>
internal sealed class TokenStreams : IDisposable
{
    private readonly List<Tensor> _dense;
    private readonly List<Tensor> _pruned;

    private TokenStreams(List<Tensor> dense, List<Tensor> pruned) => (_dense, _pruned) = (dense, pruned);

    /// <summary>The embedded tokens, equal in both networks.</summary>
    public static TokenStreams Start(VisionTransformer dense, IEnumerable<Tensor> batches, CancellationToken cancellation)
    {
        List<Tensor> tokens = [];
        try
        {
            foreach (Tensor batch in batches)
            {
                using (batch)
                {
                    cancellation.ThrowIfCancellationRequested();
                    using Tensor images = batch.to(dense.Weights.Device);
                    tokens.Add(dense.EmbedTokens(images).DetachFromDisposeScope());
                }
            }
        }
        catch
        {
            tokens.ForEach(one => one.Dispose());
            throw;
        }

        return tokens.Count > 0
            ? new TokenStreams(tokens, [.. tokens.Select(one => one.alias().DetachFromDisposeScope())])
            : throw new ArgumentException("correction: expected at least one calibration image, found none");
    }

    /// <summary>Runs one block of both networks: the pruned layer's inputs and the unpruned layer's outputs, batch by batch.</summary>
    public void Observe(
        VisionTransformer dense,
        VisionTransformer pruned,
        int block,
        BlockLinear layer,
        Action<Tensor, Tensor> observe,
        CancellationToken cancellation)
    {
        for (int batch = 0; batch < _dense.Count; batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            using Capture wanted = new(layer), actual = new(layer);
            dense.Block(_dense[batch], block, wanted);
            pruned.Block(_pruned[batch], block, actual);
            Tensor output = wanted.Output!;
            Tensor input = actual.Input ?? zeros([output.shape[0], output.shape[1], 0], ScalarType.Float32, output.device);
            observe(input, output);
        }
    }

    /// <summary>Moves both networks behind a block.</summary>
    public void Advance(VisionTransformer dense, VisionTransformer pruned, int block)
    {
        Advance(dense, _dense, block);
        Advance(pruned, _pruned, block);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tokens in _dense.Concat(_pruned))
        {
            tokens.Dispose();
        }
    }

    private static void Advance(VisionTransformer model, List<Tensor> stream, int block)
    {
        for (int batch = 0; batch < stream.Count; batch++)
        {
            Tensor before = stream[batch];
            stream[batch] = model.Block(before, block, hook: null).DetachFromDisposeScope();
            before.Dispose();
        }
    }

    private sealed class Capture(BlockLinear layer) : IForwardHook, IDisposable
    {
        public Tensor? Input { get; private set; }

        public Tensor? Output { get; private set; }

        public void Observe(int block, BlockLinear seen, Tensor input, Tensor output)
        {
            if (seen == layer)
            {
                (Input, Output) = (input.alias().DetachFromDisposeScope(), output.alias().DetachFromDisposeScope());
            }
        }

        public void Dispose()
        {
            Input?.Dispose();
            Output?.Dispose();
        }
    }
}
