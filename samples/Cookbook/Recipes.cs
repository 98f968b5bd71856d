using System.Collections.Concurrent;
using Cloud.Unum.USearch;
using Microsoft.Extensions.AI;
using Microsoft.ML.OnnxRuntime;
using SnapViT.Core.Planning;
using SnapViT.Data;
using SnapViT.Extensions.AI;
using SnapViT.Runtime;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Samples.Cookbook;

/// <summary>The recipes of docs/cookbook.md, line for line; a test compares them and runs all.</summary>
internal static class Recipes
{
    public static Task EmbedAFolder()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        using Subnet small = elastic.At(Budget.Flops(0.6));
        using ImageFeatures all = small.EmbedFolder("photos");
        float[] numbers = [.. all.Features.data<float>()];
        Console.WriteLine($"{all.Names.Count} images, {numbers.Length / all.Names.Count} features each, {all.Skipped.Count} left out");
        return Task.CompletedTask;
    }

    public static Task SwitchBudgets()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        elastic.WarmUp();
        foreach (double share in new[] { 1, 0.8, 0.6, 0.4 })
        {
            using Subnet subnet = elastic.At(Budget.Flops(share));
            using Tensor features = subnet.Embed("photo.png");
            Console.WriteLine($"{share}: {subnet.Plan.Parameters} parameters, {features.shape[1]} features");
        }

        return Task.CompletedTask;
    }

    public static Task SeveralBudgetsOnSeveralThreads()
    {
        using SubnetPool pool = new(ElasticViT.Open("model.safetensors", "scores.safetensors"), capacity: 4, ownsModel: true);
        ConcurrentDictionary<string, int> done = [];
        Parallel.ForEach(Directory.GetFiles("photos", "*.png"), photo =>
        {
            Budget budget = photo.GetHashCode() % 2 == 0 ? Budget.Flops(0.4) : Budget.Whole;
            ReadOnlyMemory<float> features = pool.Embed([ImageEntry.FromFile(photo)], budget)[0];
            done[photo] = features.Length;
        });
        Console.WriteLine($"{done.Count} photos by {pool.Made} sub-networks of one model");
        return Task.CompletedTask;
    }

    public static Task MeetADeadline()
    {
        using ViTFamily family = ViTFamily.Open("family");
        family.MeasureLatency();
        foreach (double milliseconds in new[] { 1000, 0.001 })
        {
            FamilyMember member = family.InTime(TimeSpan.FromMilliseconds(milliseconds));
            float[] scores = member.Classify("photo.png");
            Console.WriteLine($"{milliseconds} ms: {member.Name}, class {scores.AsSpan().IndexOf(scores.Max())}");
        }

        return Task.CompletedTask;
    }

    public static Task CancelAndShowProgress()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        using Subnet small = elastic.At(Budget.Flops(0.6));
        CancellationTokenSource stop = new(); // reports may come after the end: not disposed
        Progress<WorkProgress> progress = new(report =>
        {
            if (report.Share > 0.25)
            {
                stop.Cancel();
            }
        });
        try
        {
            using ImageFeatures all = small.EmbedFolder("photos", batchSize: 1, progress, stop.Token);
            Console.WriteLine($"{all.Names.Count} images");
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine("stopped");
        }

        return Task.CompletedTask;
    }

    public static async Task EmbedAStream()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        using Subnet small = elastic.At(Budget.Flops(0.6));
        await using FileStream stream = File.OpenRead("photo.png");
        using Tensor features = small.Embed(stream);
        Console.WriteLine($"{features.shape[1]} features");
    }

    public static Task PatchTokens()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        using Subnet small = elastic.At(Budget.Flops(0.6));
        using Tensor images = zeros([1, 3, small.Preprocessing.Side, small.Preprocessing.Side]);
        using Tensor tokens = small.PatchTokens(images);
        Console.WriteLine($"{tokens.shape[1]} patches of {tokens.shape[2]} numbers");
        return Task.CompletedTask;
    }

    public static Task ExportToOnnx()
    {
        using ElasticViT elastic = ElasticViT.Open("model.safetensors", "scores.safetensors");
        using Subnet small = elastic.At(Budget.Flops(0.6));
        small.ToOnnx("small.onnx");
        using InferenceSession session = new("small.onnx");
        Console.WriteLine($"{string.Join(", ", session.InputMetadata.Keys)} to {string.Join(" and ", session.OutputMetadata.Keys)}");
        return Task.CompletedTask;
    }

    public static async Task SearchByVector()
    {
        using ViTFamily family = ViTFamily.Open("family");
        using SnapViTEmbeddingGenerator generator = new(family, new SnapViTEmbeddingOptions { Budget = "0.6" });
        string[] photos = [.. Directory.GetFiles("photos", "*.png").Order()];
        DataContent[] images = await Task.WhenAll(photos.Select(async photo => await DataContent.LoadFromAsync(photo)));
        using USearchIndex index = new(MetricKind.Cos, ScalarKind.Float32, (ulong)family.FeatureDim);
        foreach ((int number, Embedding<float> embedding) in (await generator.GenerateAsync(images)).Index())
        {
            index.Add((ulong)number, embedding.Vector.ToArray());
        }

        ReadOnlyMemory<float> query = await generator.GenerateVectorAsync(images[2]);
        index.Search(query.ToArray(), 3, out ulong[] found, out _);
        Console.WriteLine($"most like {photos[2]}: {string.Join(", ", found.Select(number => photos[number]))}");
    }
}
