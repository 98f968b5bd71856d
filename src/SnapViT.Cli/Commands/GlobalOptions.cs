using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Tensors;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary>Options that every verb has.</summary>
internal static class GlobalOptions
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print the result as one JSON object.", Recursive = true };

    public static readonly Option<ulong> Seed = new("--seed")
    {
        Description = "Seed of everything random; the same seed gives the same result.",
        DefaultValueFactory = _ => 42,
        Recursive = true,
    };

    public static readonly Option<int> Threads = new("--threads")
    {
        Description = "Threads of the matrix products, at most the cores; 0 takes all cores.",
        DefaultValueFactory = _ => 0,
        Recursive = true,
    };

    public static readonly Option<string> Precision = OneOf(
        "--precision", "Precision of the matrix products; auto takes bf16 where this machine is faster in it.", "auto", "fp32", "bf16",
        "auto");

    public static readonly Option<string> Device = OneOf("--device", "Where the network runs.", "cpu", "cpu", "cuda");

    public static readonly Option<bool> Verbose = new("--verbose") { Description = "Show where an error came from.", Recursive = true };

    /// <summary>Of the verbs that write files; folders that are written are always new or empty.</summary>
    public static readonly Option<bool> Force = new("--force") { Description = "Replace files that are there already." };

    public static void AddTo(RootCommand root)
    {
        foreach (Option option in new Option[] { Json, Seed, Threads, Precision, Device, Verbose })
        {
            root.Options.Add(option);
        }
    }

    /// <summary>Makes torch ready and applies threads; the device and precision asked for.</summary>
    public static (Device Device, ScalarType Precision) ReadyTorch(ParseResult parsed)
    {
        NativeEnvironment.UsePassiveWaiting();
        TorchRuntime.EnsureLoaded();
        int threads = parsed.GetValue(Threads);
        if (threads < 0)
        {
            throw new SnapViTException(ErrorKind.Option, $"--threads: expected 0 or more, found {threads}");
        }

        if (threads > Environment.ProcessorCount)
        {
            parsed.InvocationConfiguration.Error.WriteLine(
                $"--threads {threads}: this machine has {Environment.ProcessorCount} cores, and as many threads are used");
        }

        set_num_threads(ThreadsOf(parsed));
        Device device = ComputeSettings.ParseDevice(parsed.GetRequiredValue(Device));
        return (device, ComputeSettings.ParsePrecision(parsed.GetRequiredValue(Precision), device));
    }

    /// <summary>Whether an option stands on the command line.</summary>
    public static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>Threads of the matrix products.</summary>
    public static int ThreadsOf(ParseResult parsed) =>
        parsed.GetValue(Threads) is > 0 and int threads ? Math.Min(threads, Environment.ProcessorCount) : Environment.ProcessorCount;

    /// <summary>Makes every option that is a number take plain ones only: the parser alone would read 2,5 as 25.</summary>
    public static void RequirePlainNumbers(Command command)
    {
        foreach (Option option in command.Options)
        {
            if (option is Option<double> number)
            {
                number.CustomParser = result => Number(result) ?? 0;
            }
            else if (option is Option<double?> optional)
            {
                optional.CustomParser = Number;
            }
        }

        foreach (Command verb in command.Subcommands)
        {
            RequirePlainNumbers(verb);
        }
    }

    private static double? Number(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number))
        {
            return number;
        }

        string point = text.Contains(',', StringComparison.Ordinal) ? " (decimals follow a point)" : "";
        result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: expected a number such as 0.25, found '{text}'{point}");
        return null;
    }

    /// <summary>An option that takes the names of an enum, and nothing else: the parser alone would take any number.</summary>
    public static Option<T> OneOf<T>(string name, string description, T preset)
        where T : struct, Enum
    {
        Option<T> option = new(name) { Description = description, DefaultValueFactory = _ => preset };
        option.AcceptOnlyFromAmong([.. Enum.GetNames<T>().Select(value => value.ToLowerInvariant())]);
        return option;
    }

    /// <summary>The same without a preset of its own.</summary>
    public static Option<T?> OneOf<T>(string name, string description)
        where T : struct, Enum
    {
        Option<T?> option = new(name) { Description = description };
        option.AcceptOnlyFromAmong([.. Enum.GetNames<T>().Select(value => value.ToLowerInvariant())]);
        return option;
    }

    private static Option<string> OneOf(string name, string description, string preset, params string[] values)
    {
        Option<string> option = new(name) { Description = description, DefaultValueFactory = _ => preset, Recursive = true };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
