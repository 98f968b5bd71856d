using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using Microsoft.AspNetCore.Http;
using SnapViT.Core.Planning;
using SnapViT.Runtime;

namespace SnapViT.Server;

/// <summary>The way of a request from its body to its answer.</summary>
internal sealed class ServedModel(
    ViTFamily family, SpeedTable speeds, BatchScheduler scheduler, BodyReader bodies, ServerOptions options) : IDisposable
{
    /// <summary>Images that are decoded at the same time; each takes some hundred megabytes at worst.</summary>
    private readonly SemaphoreSlim _decoders = new(Math.Clamp(Environment.ProcessorCount, 1, 8));
    private readonly int _default = options.Budget is null ? 0 : SizeOf(family, options.Budget);

    public BudgetsAnswer Budgets() => new(
        family.ModelName,
        family.HasFeatures ? family.FeatureDim : 0,
        family.Classes,
        family.Members[_default].Name,
        options.BatchSize,
        [
            .. family.Members.Select((member, size) => new SizeAnswer(
                member.Name,
                Math.Round(member.Flops / family.WholeFlops, 4),
                member.Parameters,
                Milliseconds(speeds.Predict(size, 1) / speeds.Slowdown),
                Milliseconds(speeds.Predict(size, options.BatchSize) / speeds.Slowdown / options.BatchSize))),
        ],
        new LimitsAnswer(options.MaxBytes, options.MaxPixels, options.MaxImages, options.MaxRequests, options.QueueImages));

    public async Task<EmbedAnswer> EmbedAsync(HttpContext context)
    {
        (ImageRequest asked, Done done) = await RunAsync(context, FamilyMember.Output.Features).ConfigureAwait(false);
        return new EmbedAnswer(
            family.ModelName, done.Size, done.DeadlineMet, done.Timing, [.. asked.Images.Select(image => image.Name)], done.Rows);
    }

    public async Task<ClassifyAnswer> ClassifyAsync(HttpContext context)
    {
        (ImageRequest asked, Done done) = await RunAsync(context, FamilyMember.Output.Logits).ConfigureAwait(false);
        return new ClassifyAnswer(
            family.ModelName,
            done.Size,
            done.DeadlineMet,
            done.Timing,
            [.. asked.Images.Select(image => image.Name)],
            [.. done.Rows.Select(row => Likeliest(row.Span, asked.Top))]);
    }

    public void Dispose() => _decoders.Dispose();

    private async Task<(ImageRequest Asked, Done Done)> RunAsync(HttpContext context, FamilyMember.Output output)
    {
        long start = Stopwatch.GetTimestamp();
        (ImageRequest asked, Job job) = await PrepareAsync(context, output, start).ConfigureAwait(false);
        TimeSpan read = Stopwatch.GetElapsedTime(start);
        JobResult result = await scheduler.RunAsync(job).ConfigureAwait(false);
        context.Response.OnCompleted(() =>
        {
            speeds.ObserveAnswer(Stopwatch.GetElapsedTime(result.Ended).TotalSeconds);
            return Task.CompletedTask;
        });
        return (asked, new Done(
            family.Members[result.Size].Name,
            job.SecondsLeft(Stopwatch.GetTimestamp()) is double left ? left >= 0 : null,
            new TimingAnswer(
                Milliseconds(read.TotalSeconds),
                Milliseconds(result.Waited.TotalSeconds),
                Milliseconds(result.Computed.TotalSeconds),
                result.Batch),
            result.Rows));
    }

    private async Task<(ImageRequest Asked, Job Job)> PrepareAsync(HttpContext context, FamilyMember.Output output, long start)
    {
        using IDisposable announced = scheduler.Announce();
        using BodyReader.HeldBody body = await bodies.ReadAsync(context.Request).ConfigureAwait(false);
        ImageRequest asked = await ImageRequest.ReadAsync(context.Request, body, options.MaxImages).ConfigureAwait(false);
        int size = asked.Budget is not null ? SizeOf(family, asked.Budget) : asked.Deadline is null ? _default : 0;
        long? deadline = asked.Deadline is TimeSpan time ? start + (long)(time.TotalSeconds * Stopwatch.Frequency) : null;

        RequirePossible(asked);

        // What would be refused anyway is not decoded first.
        scheduler.Admit(asked.Images.Count, deadline);
        float[][] images = new float[asked.Images.Count][];
        await Task.WhenAll(Enumerable.Range(0, images.Length).Select(async index =>
        {
            await _decoders.WaitAsync(context.RequestAborted).ConfigureAwait(false);
            try
            {
                images[index] = await Task.Run(
                    () => family.Preprocessing.Apply(asked.Images[index].Decode(
                        mostPixels: options.MaxPixels, leastSide: family.Preprocessing.LeastSide)),
                    context.RequestAborted).ConfigureAwait(false);
            }
            finally
            {
                _decoders.Release();
            }
        })).ConfigureAwait(false);
        return (asked, new Job(images, output, size, deadline, context.RequestAborted));
    }

    /// <summary>Refuses a deadline that could not be met if nothing else were to be done.</summary>
    private void RequirePossible(ImageRequest asked)
    {
        double seconds = speeds.Predict(speeds.FastestSize, asked.Images.Count) / speeds.Slowdown;
        if (asked.Deadline < TimeSpan.FromSeconds(seconds))
        {
            throw new RequestFault(
                StatusCodes.Status422UnprocessableEntity,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"deadline_ms: expected at least the {1e3 * seconds:0.00} ms of the fastest size for {asked.Images.Count} images, "
                        + $"found {asked.Deadline.Value.TotalMilliseconds}"));
        }
    }

    /// <summary>The size of a budget, or that of the name.</summary>
    /// <exception cref="Core.Errors.SnapViTException">There is none.</exception>
    private static int SizeOf(ViTFamily family, string budget)
    {
        FamilyMember member = family.Members.FirstOrDefault(one => one.Name == budget) ?? family.At(Budget.Parse(budget));
        return Enumerable.Range(0, family.Members.Count).First(size => family.Members[size] == member);
    }

    private List<PredictionAnswer> Likeliest(ReadOnlySpan<float> scores, int count)
    {
        float[] probabilities = new float[scores.Length];
        TensorPrimitives.SoftMax(scores, probabilities);
        return
        [
            .. probabilities.Index().OrderByDescending(pair => pair.Item).Take(count).Select(pair => new PredictionAnswer(
                pair.Index,
                pair.Index < family.ClassNames.Count ? family.ClassNames[pair.Index] : null,
                Math.Round(pair.Item, 6))),
        ];
    }

    private static double Milliseconds(double seconds) => Math.Round(1e3 * seconds, 3);

    /// <summary>What is the same in both answers.</summary>
    private sealed record Done(string Size, bool? DeadlineMet, TimingAnswer Timing, IReadOnlyList<ReadOnlyMemory<float>> Rows);
}
