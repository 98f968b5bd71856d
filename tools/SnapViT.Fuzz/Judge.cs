using System.Diagnostics;
using System.Globalization;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Data.Sources;
using SnapViT.Loading;

namespace SnapViT.Fuzz;

/// <summary>Opens an input and says what is wrong with what happened.</summary>
/// <param name="folder">An empty folder for the input's files.</param>
internal sealed class Judge(string folder)
{
    private const long MostBytes = 1L << 30;
    private static readonly TimeSpan MostWork = TimeSpan.FromSeconds(2);

    /// <summary>Inputs that opened.</summary>
    public int Opened { get; private set; }

    /// <summary>Inputs that were refused by name.</summary>
    public int Refused { get; private set; }

    /// <summary>The most time of the processor that an input took.</summary>
    public TimeSpan Slowest { get; private set; }

    /// <summary>The input that took it.</summary>
    public string SlowestInput { get; private set; } = "";

    /// <summary>The most memory of the process while an input was open.</summary>
    public long Peak { get; private set; }

    /// <summary>The input that took it.</summary>
    public string PeakInput { get; private set; } = "";

    /// <summary>
    /// Opens an input. What took too long or too much memory is opened once more after a collection, so that neither a busy machine nor
    /// what other inputs left behind is a finding.
    /// </summary>
    /// <returns>The finding, or null.</returns>
    public string? Open(FuzzInput input, string name)
    {
        Write(input);
        (string? finding, TimeSpan work, long bytes) = Measured(input, isFirst: true);
        if (work > MostWork || bytes > MostBytes)
        {
#pragma warning disable RS0030 // Not to free tensors: so that what earlier inputs left behind is not counted.
            GC.Collect();
#pragma warning restore RS0030
            (_, TimeSpan again, long bytesAgain) = Measured(input, isFirst: false);
            (work, bytes) = (work < again ? work : again, Math.Min(bytes, bytesAgain));
        }

        if (work > Slowest)
        {
            (Slowest, SlowestInput) = (work, name);
        }

        if (bytes > Peak)
        {
            (Peak, PeakInput) = (bytes, name);
        }

        return finding
            ?? (work > MostWork ? string.Create(CultureInfo.InvariantCulture, $"took {work.TotalSeconds:F1} s of the processor") : null)
            ?? (bytes > MostBytes ? string.Create(CultureInfo.InvariantCulture, $"the process took {bytes >> 20} MB") : null);
    }

    private static void OpenDataSet(string path)
    {
        const int images = 4;
        foreach (ImageSplit split in ImageSource.Open(path).Splits)
        {
            foreach (ImageEntry entry in split.Open(new Wanted(Labels: true)).Entries.Take(images))
            {
                try
                {
                    entry.Decode();
                }
                catch (Exception exception) when (exception is ImageException or IOException or InvalidDataException)
                {
                    // A reader leaves such an image out.
                }
            }
        }
    }

    private void Write(FuzzInput input)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        foreach ((string name, byte[] content) in input.Files)
        {
            string path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }

        foreach ((string name, string target) in input.Links)
        {
            string path = Path.Combine(folder, name);
            if (!Path.Exists(path))
            {
                File.CreateSymbolicLink(path, Path.Combine(folder, target));
            }
        }
    }

    private (string? Finding, TimeSpan Work, long Bytes) Measured(FuzzInput input, bool isFirst)
    {
        ForgetPeak();
        TimeSpan before = WorkOfThread();
        string? finding = null;
        bool isRefused = false;
        try
        {
            finding = Opens(input);
        }
        catch (SnapViTException refusal)
        {
            isRefused = true;
            finding = refusal.Message.Contains('\n', StringComparison.Ordinal) ? "a message of several lines" : null;
        }
        catch (Exception exception)
        {
            finding = exception.ToString().ReplaceLineEndings(" ");
        }

        if (isFirst)
        {
            (Opened, Refused) = (Opened + (isRefused ? 0 : 1), Refused + (isRefused ? 1 : 0));
        }

        return (finding, WorkOfThread() - before, PeakOfProcess());
    }

    private string? Opens(FuzzInput input)
    {
        string path = Path.Combine(folder, input.Files[0].Name);
        switch (input.Target)
        {
            case FuzzTarget.Photo:
                using (FileStream photo = File.OpenRead(path))
                {
                    ImageDecoder.Decode(photo, path);
                }

                return null;
            case FuzzTarget.Folder:
                string[] files = [.. FolderTree.Read(Path.Combine(folder, "photos")).Files.Select(file => ((FileBytes)file.Bytes).Path)];
                return files.Distinct().Count() == files.Length
                    && files.All(file => File.Exists(file) && new FileInfo(file).LinkTarget is null)
                        ? null
                        : "a file was found twice, or is none";
            case FuzzTarget.DataSet:
                OpenDataSet(input.Files.Count > 1 ? folder : path);
                return null;
            case FuzzTarget.Scores:
                ElasticScores scores = ElasticScores.Load(path);
                _ = scores.Scaled;
                ReadMoments(scores.Moments);
                return null;
            case FuzzTarget.LatencyTable:
                LatencyTable table = LatencyTableFile.Load(path);
                table.Predict(table.Conditions.Architecture.FullWidths);
                return null;
            default:
                using (CanonicalArchive archive = ModelFile.OpenCanonical(path))
                {
                    ModelDescription description =
                        ModelFile.Describe(archive, new ModelHints { Heads = FuzzInput.Architecture.Heads });
                    return Compare(archive, description, input.Expected);
                }
        }
    }

    private static void ReadMoments(StoredMoments? moments)
    {
        for (int block = 0; block < (moments?.Depth ?? 0); block++)
        {
            foreach (StoredLayerMoments layer in new[] { moments!.Proj(block), moments.Fc2(block) })
            {
                layer.Covariance(new float[StoredLayerMoments.Triangle(layer.Mean.Length)]);
            }
        }
    }

    /// <summary>Reads every tensor, and compares it with what it must be where that is known.</summary>
    private static string? Compare(CanonicalArchive archive, ModelDescription description, IReadOnlyDictionary<string, float[]?>? expected)
    {
        List<string> others = [];
        foreach (ParameterSpec parameter in ParameterTable.For(description.Architecture, description.Widths))
        {
            float[] read = archive.ReadFloats(parameter.Name);
            if (expected is not null && expected.TryGetValue(parameter.Name, out float[]? values) && !read.AsSpan().SequenceEqual(values))
            {
                others.Add(parameter.Name);
            }
        }

        return others.Count == 0 ? null : $"opened with other values than the file's: {string.Join(", ", others)}";
    }

    /// <summary>
    /// The time that this thread had the processor; another program's work is not in it. Wall time where Linux does not say.
    /// </summary>
    private static TimeSpan WorkOfThread()
    {
        if (!OperatingSystem.IsLinux())
        {
            return TimeSpan.FromMilliseconds(Environment.TickCount64);
        }

        string nanoseconds = File.ReadAllText("/proc/thread-self/schedstat").Split(' ')[0];
        return TimeSpan.FromMicroseconds(long.Parse(nanoseconds, CultureInfo.InvariantCulture) / 1000.0);
    }

    /// <summary>Lets the system measure the greatest memory of the process anew, where it can.</summary>
    private static void ForgetPeak()
    {
        if (OperatingSystem.IsLinux())
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
    }

    private static long PeakOfProcess()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
