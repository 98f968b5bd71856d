using System.Diagnostics;
using System.Globalization;
using System.Text;
using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Formats;
using SnapViT.Core.Randomness;
using SnapViT.Fuzz;
using SnapViT.Loading;

// SnapViT.Fuzz [--minutes N] [--seed S]: damages small model files and their configs and opens them. Every file must open as what it holds, or be
// refused by one of the library's own exceptions, within 2 s and 1 GB. A finding is printed with the seed and the number that make it again.
double minutes = Option("--minutes", 10);
ulong seed = (ulong)Option("--seed", 1);
string folder = Directory.CreateTempSubdirectory("snapvit-fuzz-").FullName;
Stopwatch clock = Stopwatch.StartNew();
int opened = 0, refused = 0, findings = 0;
try
{
    for (ulong number = 0; clock.Elapsed.TotalMinutes < minutes; number++)
    {
        FuzzInput input = FuzzInput.Create(new SeededRandom(seed + (number << 20)));
        string? finding = Run(input);
        if (finding is not null)
        {
            findings++;
            Console.WriteLine($"seed {seed}, input {number} ({input.Kind}): {finding}");
        }
    }
}
finally
{
    Directory.Delete(folder, recursive: true);
}

Console.WriteLine($"seed {seed}, {clock.Elapsed.TotalMinutes:F1} minutes: {opened} opened, {refused} refused, {findings} findings");
return findings == 0 ? 0 : 1;

double Option(string name, double otherwise)
{
    int at = Array.IndexOf(args, name);
    return at < 0 || at + 1 >= args.Length ? otherwise : double.Parse(args[at + 1], CultureInfo.InvariantCulture);
}

string? Run(FuzzInput input)
{
    foreach (string file in Directory.EnumerateFiles(folder))
    {
        File.Delete(file);
    }

    foreach ((string name, byte[] content) in input.Files)
    {
        File.WriteAllBytes(Path.Combine(folder, name), content);
    }

    long before = GC.GetAllocatedBytesForCurrentThread();
    Stopwatch watch = Stopwatch.StartNew();
    string? finding = null;
    try
    {
        using CanonicalArchive archive = ModelFile.OpenCanonical(Path.Combine(folder, input.Files[0].Name));
        ModelDescription description = ModelFile.Describe(archive, new ModelHints { Heads = FuzzInput.Architecture.Heads });
        finding = input.HasTrueTensors ? Compare(archive, description) : null;
        opened++;
    }
    catch (SnapViTException refusal)
    {
        refused++;
        finding = refusal.Message.Contains('\n', StringComparison.Ordinal) ? "a message of several lines" : null;
    }
    catch (Exception exception) when (exception is not OutOfMemoryException)
    {
        finding = exception.ToString().ReplaceLineEndings(" ");
    }

    return finding
        ?? (watch.Elapsed > TimeSpan.FromSeconds(2) ? $"took {watch.Elapsed}" : null)
        ?? (GC.GetAllocatedBytesForCurrentThread() - before > 1L << 30 ? "took more than 1 GB" : null);
}

static string? Compare(CanonicalArchive archive, ModelDescription description)
{
    StringBuilder differences = new();
    foreach (ParameterSpec parameter in ParameterTable.For(description.Architecture, description.Widths))
    {
        float[] read = archive.ReadFloats(parameter.Name);
        if (FuzzInput.Values.TryGetValue(parameter.Name, out float[]? written) && !read.AsSpan().SequenceEqual(written))
        {
            differences.Append(CultureInfo.InvariantCulture, $" {parameter.Name}");
        }
    }

    return differences.Length == 0 ? null : $"opened with other values than were written:{differences}";
}
