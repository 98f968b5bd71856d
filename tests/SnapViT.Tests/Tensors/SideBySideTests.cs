using SnapViT.Loading;
using SnapViT.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Tensors;

public sealed class SideBySideTests
{
    [Fact]
    public void Results_are_in_the_order_of_the_pieces()
    {
        int[] results = Run<int>([.. Enumerable.Range(0, 40).Select(i => (Func<int>)(() =>
        {
            Thread.Sleep((40 - i) % 7);
            return i;
        }))]);

        Assert.Equal(Enumerable.Range(0, 40), results);
    }

    [Fact]
    public void Nothing_to_do_gives_nothing() => Assert.Empty(Run<int>([]));

    [Fact]
    public void Torch_has_its_threads_again_when_all_pieces_have_ended()
    {
        int before = get_num_threads();

        Assert.Throws<InvalidOperationException>(
            () => Run<int>([() => 1, () => throw new InvalidOperationException("a fault")]));

        Assert.Equal(before, get_num_threads());
    }

    [Fact]
    public void A_thread_that_begins_while_pieces_run_has_as_many_threads_as_any_other()
    {
        int before = get_num_threads();
        set_num_threads(2);
        try
        {
            int[] ofPieces = new int[4];
            int[] ofNew = Run<int>([.. Enumerable.Range(0, ofPieces.Length).Select(piece => (Func<int>)(() =>
            {
                ofPieces[piece] = get_num_threads();
                int found = 0;
                Thread thread = new(() => found = get_num_threads());
                thread.Start();
                thread.Join();
                return found;
            }))]);

            Assert.Equal([1, 1, 1, 1], ofPieces);
            Assert.Equal([2, 2, 2, 2], ofNew);
            Assert.Equal(2, get_num_threads());
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void A_piece_that_fails_stops_those_that_have_not_begun()
    {
        int begun = 0;
        Func<int>[] pieces = [.. Enumerable.Range(0, 100).Select(_ => (Func<int>)(() =>
        {
            Interlocked.Increment(ref begun);
            throw new InvalidOperationException("a fault");
        }))];

        Assert.Throws<InvalidOperationException>(() => Run(pieces));

        Assert.InRange(begun, 1, SideBySide.Free);
    }

    [Fact]
    public void A_cancelled_run_says_so()
    {
        using CancellationTokenSource source = new();

        Assert.Throws<OperationCanceledException>(() => SideBySide.Run(
            new int[50], _ => Cancelled(source), source.Token));

        static int Cancelled(CancellationTokenSource source)
        {
            source.Cancel();
            return 0;
        }
    }

    [Fact]
    public void A_piece_within_a_piece_is_not_divided_further() =>
        Assert.All(Run<int>([() => SideBySide.Free, () => SideBySide.Free]), free => Assert.Equal(1, free));

    [Fact]
    public void Pieces_have_the_gradient_mode_of_who_asked()
    {
        using IDisposable frozen = no_grad();

        Assert.All(Run<bool>([is_grad_enabled, is_grad_enabled]), Assert.False);
    }

    [Theory, LeakCheck]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(17)]
    public void A_batch_in_pieces_gives_what_every_image_gives_alone(int count)
    {
        using Golden io = Golden.Open("timm_vit", "io.safetensors");
        using LoadedModel loaded = Golden.Model("timm_vit");
        using DisposeScope scope = NewDisposeScope();
        Tensor images = io.Float("images");
        Tensor many = images.repeat([(count / images.shape[0]) + 1, 1, 1, 1]).narrow(0, 0, count);

        Tensor features = loaded.Model.Embed(many);

        Tensor[] alone = [.. many.split(1, 0).Select(image => loaded.Model.Embed(image))];
        features.ShouldBeWithinOfLargest(1e-6, cat(alone, 0));
    }

    private static T[] Run<T>(IReadOnlyList<Func<T>> pieces) => SideBySide.Run(pieces, piece => piece(), TestContext.Current.CancellationToken);
}
