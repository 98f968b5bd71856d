using System.Diagnostics;
using System.Globalization;
using SnapViT.Core.Randomness;
using SnapViT.Fuzz;

// SnapViT.Fuzz [--minutes N] [--seed S] [--input N] [--data]: makes hostile models, configs, photos, folders and data sets, and opens
// them. Every one must open as what it holds, or be refused by one of the library's own exceptions, within 2 s of the processor and 1 GB.
// A finding is printed with the seed and the number that make it again; --input opens that one alone, --data makes data sets alone.
TimeSpan longestWait = TimeSpan.FromSeconds(60);
double minutes = Option("--minutes", 10);
ulong seed = (ulong)Option("--seed", 1);
double only = Option("--input", -1);
bool isOfData = args.Contains("--data");
string folder = Directory.CreateTempSubdirectory("snapvit-fuzz-").FullName;
Judge judge = new(Path.Combine(folder, "input"));
SortedDictionary<string, (int Inputs, int Opened)> kinds = new(StringComparer.Ordinal);
Stopwatch clock = Stopwatch.StartNew();
ulong number = 0;
int findings = 0;
string current = "";
using Timer watchdog = new(_ => Hangs(), state: null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
try
{
    for (number = (ulong)Math.Max(0, only); only < 0 ? clock.Elapsed.TotalMinutes < minutes : number == (ulong)only; number++)
    {
        SeededRandom random = new(seed + (number << 20));
        FuzzInput input = isOfData ? DamagedDataSet.Create(random) : FuzzInput.Create(random);
        int before = judge.Opened;
        current = input.Kind;
        watchdog.Change(longestWait, Timeout.InfiniteTimeSpan);
        string? finding = judge.Open(input, $"{number} ({input.Kind})");
        watchdog.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        (int inputs, int opened) = kinds.GetValueOrDefault(input.Kind);
        kinds[input.Kind] = (inputs + 1, opened + judge.Opened - before);
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

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"seed {seed}, {clock.Elapsed.TotalMinutes:F1} minutes: {judge.Opened} opened, {judge.Refused} refused, {findings} findings; "
        + $"slowest {judge.Slowest.TotalSeconds:F2} s, input {judge.SlowestInput}; peak {judge.Peak >> 20} MB, input {judge.PeakInput}"));
Console.WriteLine($"  {string.Join(", ", kinds.Select(kind => $"{kind.Key} {kind.Value.Inputs} ({kind.Value.Opened} opened)"))}");
return findings == 0 ? 0 : 1;

double Option(string name, double otherwise)
{
    int at = Array.IndexOf(args, name);
    return at < 0 || at + 1 >= args.Length ? otherwise : double.Parse(args[at + 1], CultureInfo.InvariantCulture);
}

// A thread cannot be stopped from outside: the process ends with it.
void Hangs()
{
    Console.WriteLine($"seed {seed}, input {number} ({current}): did not end within {longestWait.TotalSeconds} s");
    Directory.Delete(folder, recursive: true);
    Environment.Exit(1);
}
