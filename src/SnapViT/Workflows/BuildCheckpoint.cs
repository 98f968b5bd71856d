using System.Globalization;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Scores;

namespace SnapViT.Workflows;

/// <summary>
/// What an unfinished build has so far: the local scores and the fitnesses told, in a scores file of its own beside the result. The fingerprint
/// names everything that the numbers depend on, so that a build is continued only by the same command on the same input.
/// </summary>
internal sealed class BuildCheckpoint(string path, string fingerprint)
{
    private const string FingerprintKey = "build.fingerprint";
    private const string HistoryKey = "build.history";

    /// <summary>The state of a build of the same fingerprint, or null where there is none that can be continued.</summary>
    public (ImportanceScores Local, IReadOnlyList<double> History)? TryRead()
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            ElasticScores saved = ElasticScores.Load(path);
            return saved.Provenance.GetValueOrDefault(FingerprintKey) == fingerprint
                ? (saved.Local, [.. saved.Provenance[HistoryKey].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => double.Parse(text, CultureInfo.InvariantCulture))])
                : null;
        }
        catch (CheckpointFormatException)
        {
            // Not ours, or of another version: the build begins anew and replaces it.
            return null;
        }
    }

    /// <summary>Replaces the state, atomically.</summary>
    public void Write(ElasticScores scores, IReadOnlyList<double> history)
    {
        Dictionary<string, string> provenance = new()
        {
            [FingerprintKey] = fingerprint,
            [HistoryKey] = string.Join(' ', history.Select(fitness => fitness.ToString("R", CultureInfo.InvariantCulture))),
        };
        (scores with { Provenance = provenance }).Save(path);
    }

    /// <summary>Removes the state of a finished build.</summary>
    public void Delete() => File.Delete(path);
}
