using System.Globalization;
using SnapViT.Calibration;
using SnapViT.Data;
using SnapViT.Models;
using static TorchSharp.torch;

namespace SnapViT.Workflows;

/// <summary>The part of a build that gathers second moments: the unpruned model over random views of the calibration images, over whole images, or both.</summary>
internal sealed class CalibrationPasses(ImageSet files, Preprocessing preprocessing, BuildOptions options, IProgress<WorkProgress>? progress)
{
    /// <summary>Runs the unpruned model over all of them.</summary>
    /// <param name="model">The model in the precision and on the device of the build.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>Their second moments; the caller's.</returns>
    public CalibrationMoments Run(VisionTransformer model, CancellationToken cancellation)
    {
        CalibrationMoments moments = new(model.Architecture, options.PrefixWeights, options.Device);
        try
        {
            Pass[] passes = [.. Passes()];
            int done = 0;
            foreach (Pass pass in passes)
            {
                foreach (ImageBatch batch in pass.Batches.Read(cancellation))
                {
                    using (batch)
                    {
                        using Tensor onDevice = batch.Images.to(options.Device);
                        using Tensor images = onDevice.flatten(0, -4);
                        moments.Add(model, images, pass.Weight);
                    }

                    done += batch.Entries.Count;
                    progress?.Report(new WorkProgress("calibration", done, passes.Length * files.Count));
                }
            }

            return moments;
        }
        catch
        {
            moments.Dispose();
            throw;
        }
    }

    /// <summary>What the moments are of, for the provenance.</summary>
    public string Describe()
    {
        string whole = options is { CalibrationViews: > 0, WholeImageShare: > 0 and double share } ? string.Create(CultureInfo.InvariantCulture, $", {share} of the weight on whole images") : "";
        return FormattableString.Invariant($"{files.Count} images, {options.CalibrationViews} random views{whole}, prefix weight {options.PrefixWeights}");
    }

    /// <summary>Random views [B, V, 3, S, S] and whole images [B, 3, S, S], with the weight of each that gives whole images their share.</summary>
    private IEnumerable<Pass> Passes()
    {
        int views = options.CalibrationViews;
        double share = views == 0 ? 1 : options.WholeImageShare;
        if (share < 1)
        {
            RandomViews random = new(views, preprocessing, options.Seed);
            yield return new Pass(ImageBatches.ForViews(files.Entries, random, Math.Max(1, options.BatchSize / views)), 1);
        }

        if (share > 0)
        {
            double weight = share < 1 ? share / (1 - share) * views : 1;
            yield return new Pass(ImageBatches.ForEvaluation(files.Entries, preprocessing, options.BatchSize), weight);
        }
    }

    /// <summary>Images of one kind, and how often each counts.</summary>
    private readonly record struct Pass(ImageBatches Batches, double Weight);
}
