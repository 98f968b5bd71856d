using System.Collections.Concurrent;
using SnapViT.Calibration;
using SnapViT.Core.Scores;
using SnapViT.Models;
using SnapViT.Search;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>
/// Evaluates candidates for a build that another machine runs: the same code on the same data, so that the numbers are the same. Used from
/// one thread at a time.
/// </summary>
/// <remarks>
/// The search over the frontier keeps images, corrections and the tokens of one block. It has a thread of its own as long as requests
/// have the same factors.
/// </remarks>
internal sealed class CandidateSite : IDisposable
{
    private readonly VisionTransformer _model;
    private readonly VisionTransformer _source;
    private readonly ElasticScores _scores;
    private readonly BuildPass _pass;
    private readonly BuildOptions _options;
    private readonly CancellationToken _cancellation;
    private SearchRun.Fitnesses? _fitness;
    private FrontierSite? _frontier;

    /// <summary>A site; nothing is evaluated yet.</summary>
    /// <param name="model">The model in the precision of the build; owned from here on.</param>
    /// <param name="source">The model as it was loaded; stays the caller's.</param>
    /// <param name="scores">Local scores, the factors that the search starts from, and the bases of heads.</param>
    /// <param name="pass">The images and the second moments; owned from here on.</param>
    /// <param name="options">The build's.</param>
    /// <param name="cancellation">Stops the work.</param>
    public CandidateSite(
        VisionTransformer model, VisionTransformer source, ElasticScores scores, BuildPass pass, BuildOptions options,
        CancellationToken cancellation)
    {
        (_model, _source, _scores, _pass) = (model, source, scores, pass);
        (_options, _cancellation) = (options, cancellation);
    }

    /// <summary>Numbers of candidates, in their order (<see cref="CandidateWork"/>).</summary>
    /// <exception cref="ArgumentException">There is no such stage in this build.</exception>
    public IReadOnlyList<double[]> Evaluate(string stage, double[] context, IReadOnlyList<double[]> candidates)
    {
        if (stage == CandidateWork.Frontier && _pass.Compared is not null)
        {
            if (_frontier is null || !_frontier.Factors.SequenceEqual(context))
            {
                _frontier?.Dispose();
                _frontier = null;
                _frontier = new FrontierSite(this, context);
            }

            return _frontier.Distances(candidates);
        }

        if (_pass.Searched is null)
        {
            throw new ArgumentException($"expected a stage of this build, found {stage}", nameof(stage));
        }

        using IDisposable frozen = no_grad();
        _fitness ??= new SearchRun(_model, _source.Weights, _scores, _pass.Moments, _options).Open(_pass.Searched, _cancellation);
        Fitness by = stage switch
        {
            CandidateWork.Search => _fitness.Tuned,
            CandidateWork.HeldOut when _fitness.Held is Fitness held => held,
            _ => throw new ArgumentException($"expected a stage of this build, found {stage}", nameof(stage)),
        };
        return [.. candidates.Select(one => new[] { by.Evaluate(_scores.Coefficients.With(one), _cancellation) })];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _frontier?.Dispose();
        _fitness?.Dispose();
        _pass.Dispose();
        _model.Dispose();
    }

    /// <summary>A search over the frontier that waits for what it is asked to measure.</summary>
    private sealed class FrontierSite : IDisposable
    {
        private readonly BlockingCollection<(IReadOnlyList<double[]> Candidates, TaskCompletionSource<IReadOnlyList<double[]>> Found)>
            _asked = [];
        private readonly Thread _thread;
        private Exception? _failure;

        public FrontierSite(CandidateSite site, double[] factors)
        {
            Factors = factors;
            _thread = new Thread(() => Work(site)) { IsBackground = true };
            _thread.Start();
        }

        public double[] Factors { get; }

        public IReadOnlyList<double[]> Distances(IReadOnlyList<double[]> candidates)
        {
            TaskCompletionSource<IReadOnlyList<double[]>> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
            try
            {
                _asked.Add((candidates, found));
            }
            catch (InvalidOperationException) when (_failure is Exception failure)
            {
                throw new InvalidOperationException(failure.Message, failure);
            }

            return found.Task.GetAwaiter().GetResult();
        }

        public void Dispose()
        {
            _asked.CompleteAdding();
            _thread.Join();
            _asked.Dispose();
        }

        private void Work(CandidateSite site)
        {
            try
            {
                using IMomentSource? moments = ((IMomentSource?)site._pass.Moments)?.Share();
                ElasticScores scores = site._scores with { Coefficients = site._scores.Coefficients.With(Factors) };
                new FrontierRun(site._source, scores, moments, site._options).With(
                    site._pass.Compared!,
                    search =>
                    {
                        foreach ((IReadOnlyList<double[]> candidates, TaskCompletionSource<IReadOnlyList<double[]>> found)
                            in _asked.GetConsumingEnumerable())
                        {
                            Answer(found, () => search.Distances(candidates));
                        }

                        return 0;
                    },
                    cancellation: site._cancellation);
            }
            catch (Exception failure)
            {
                // Who waits is told; the site is good for nothing then.
                _failure = failure;
                _asked.CompleteAdding();
                foreach ((_, TaskCompletionSource<IReadOnlyList<double[]>> found) in _asked.GetConsumingEnumerable())
                {
                    found.TrySetException(failure);
                }
            }
        }

        private static void Answer(TaskCompletionSource<IReadOnlyList<double[]>> found, Func<IReadOnlyList<double[]>> work)
        {
            try
            {
                found.TrySetResult(work());
            }
            catch (Exception failure)
            {
                found.TrySetException(failure);
            }
        }
    }
}
