using System.ComponentModel;

namespace SnapViT.Server;

/// <summary>One size of the family.</summary>
/// <param name="Name">Its name, which <c>budget</c> takes.</param>
/// <param name="FlopsShare">Share of the unpruned model's FLOPs.</param>
/// <param name="Parameters">Learned parameters.</param>
/// <param name="LatencyMs">Milliseconds of one image, as measured at the start.</param>
/// <param name="BatchMs">Milliseconds of one image of a full batch.</param>
internal sealed record SizeAnswer(string Name, double FlopsShare, long Parameters, double LatencyMs, double BatchMs);

/// <summary>What the server takes at most.</summary>
internal sealed record LimitsAnswer(long BytesPerRequest, int PixelsPerImage, int ImagesPerRequest, int Requests, int QueuedImages);

/// <summary>The family and its sizes, the largest first.</summary>
internal sealed record BudgetsAnswer(
    string Model, int Features, int Classes, string DefaultBudget, int Batch, IReadOnlyList<SizeAnswer> Sizes, LimitsAnswer Limits);

/// <summary>Where the time went, in milliseconds.</summary>
/// <param name="ReadMs">Reading and decoding.</param>
/// <param name="QueueMs">Waiting for the forward pass.</param>
/// <param name="ForwardMs">The forward pass.</param>
/// <param name="Batch">Images of the forward pass, those of other requests among them.</param>
internal sealed record TimingAnswer(double ReadMs, double QueueMs, double ForwardMs, int Batch);

/// <summary>Features of the images of a request, in their order.</summary>
/// <param name="Model">The family.</param>
/// <param name="Budget">The size that was used.</param>
/// <param name="DeadlineMet">Whether the answer was in time; left out without a deadline.</param>
/// <param name="Timing">Where the time went.</param>
/// <param name="Images">Names of the images.</param>
/// <param name="Embeddings">One vector an image.</param>
internal sealed record EmbedAnswer(
    string Model,
    string Budget,
    bool? DeadlineMet,
    TimingAnswer Timing,
    IReadOnlyList<string> Images,
    IReadOnlyList<ReadOnlyMemory<float>> Embeddings);

/// <summary>A class and its probability.</summary>
/// <param name="Class">Number of the class.</param>
/// <param name="Name">Its name; left out where the model does not say it.</param>
/// <param name="Probability">Softmax of the scores, 0..1.</param>
internal sealed record PredictionAnswer(int Class, string? Name, double Probability);

/// <summary>Classes of the images of a request, the likeliest first.</summary>
internal sealed record ClassifyAnswer(
    string Model,
    string Budget,
    bool? DeadlineMet,
    TimingAnswer Timing,
    IReadOnlyList<string> Images,
    IReadOnlyList<IReadOnlyList<PredictionAnswer>> Predictions);

/// <summary>A state in one word.</summary>
internal sealed record StatusAnswer(string Status);

/// <summary>A request as JSON.</summary>
internal sealed record JsonImages(
    [property: Description("Images (JPEG, PNG, WebP, BMP, TIFF) in base64, or as data URIs.")] IReadOnlyList<string> Images,
    [property: Description(ApiDescription.Budget)] string? Budget,
    [property: Description(ApiDescription.Deadline)] double? DeadlineMs,
    [property: Description(ApiDescription.Top)] int? Top);
