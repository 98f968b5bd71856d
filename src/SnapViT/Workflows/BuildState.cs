using System.Globalization;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;

namespace SnapViT.Workflows;

/// <summary>
/// What an unfinished build has so far: the local scores and the fitnesses told, in a scores file of its own beside the result. The fingerprint
/// names everything that the numbers depend on, so that a build is continued only by the same command on the same input.
/// </summary>
/// <param name="path">The file; null to keep no state.</param>
/// <param name="fingerprint">What the numbers depend on.</param>
internal sealed class BuildState(string? path, string fingerprint)
{
    private const string FingerprintKey = "build.fingerprint";
    private const string HistoryKey = "build.history";

    /// <summary>Why the file that <see cref="TryRead"/> found is not continued; null where it is, or where there was none.</summary>
    public string? Discarded { get; private set; }

    /// <summary>The state of a build of the same fingerprint, or null where there is none that can be continued.</summary>
    public (ImportanceScores Local, IReadOnlyList<double> History)? TryRead()
    {
        if (path is null || !File.Exists(path))
        {
            return null;
        }

        try
        {
            ElasticScores saved = ElasticScores.Load(path);
            if (saved.Provenance.GetValueOrDefault(FingerprintKey) == fingerprint)
            {
                return (saved.Local, History(saved));
            }

            Discarded = $"{path}: expected the state of this build, found that of another command or other input";
        }
        catch (CheckpointFormatException exception)
        {
            Discarded = exception.Message;
        }

        // The build begins anew and replaces the file; its result says why.
        return null;
    }

    /// <summary>Replaces the state, atomically.</summary>
    public void Write(ElasticScores scores, IReadOnlyList<double> history)
    {
        if (path is null)
        {
            return;
        }

        Dictionary<string, string> provenance = new()
        {
            [FingerprintKey] = fingerprint,
            [HistoryKey] = string.Join(' ', history.Select(fitness => fitness.ToString("R", CultureInfo.InvariantCulture))),
        };
        (scores with { Provenance = provenance }).Save(path);
    }

    /// <summary>Removes the state of a finished build.</summary>
    public void Delete() => File.Delete(path!);

    private double[] History(ElasticScores saved)
    {
        string text = saved.Provenance.GetValueOrDefault(HistoryKey) ?? "nothing";
        return [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select((item, index) =>
            double.TryParse(item, CultureInfo.InvariantCulture, out double fitness) && double.IsFinite(fitness)
                ? fitness
                : throw new CheckpointFormatException(path!, $"metadata '{HistoryKey}': expected finite fitnesses, found something else in place {index}"))];
    }
}
