using System.CommandLine;
using System.Reflection;
using System.Text.Json;
using SnapViT.Core.Architecture;
using SnapViT.Core.Scores;
using SnapViT.Data;
using SnapViT.Loading;

namespace SnapViT.Cli.Output;

/// <summary>What a result came from, as it stands in JSON: the verb with its options, the version,
/// and the hashes of what was read.</summary>
internal sealed record RunRecord
{
    /// <summary>Options that say where a result goes, not what it is.</summary>
    private static readonly string[] Silent = ["--help", "--json", "--verbose", "--out", "--force", "--version"];

    /// <summary>The record of a command line.</summary>
    public RunRecord(ParseResult parsed)
    {
        Verb = parsed.CommandResult.Command.Name;
        IEnumerable<Option> all = parsed.CommandResult.Command.Options
            .Concat(parsed.RootCommandResult.Command.Options.Where(option => option.Recursive));
        Options = new SortedDictionary<string, string>(
            all.Where(option => !Silent.Contains(option.Name))
                .Select(option => (option.Name, Value: ValueOf(parsed, option)))
                .Where(pair => pair.Value is not null)
                .ToDictionary(pair => pair.Name.TrimStart('-'), pair => pair.Value!),
            StringComparer.Ordinal);
    }

    /// <summary>The verb.</summary>
    public string Verb { get; }

    /// <summary>The version of this program.</summary>
    public string Version { get; } =
        typeof(RunRecord).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The file of the model.</summary>
    public string? Model { get; init; }

    /// <summary>SHA-256 of that file.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>SHA-256 of the weights by value, whatever file they stand in.</summary>
    public string? WeightsSha256 { get; init; }

    /// <summary>Units of every axis in a block of the whole model.</summary>
    public IReadOnlyDictionary<string, int>? Units { get; init; }

    /// <summary>FLOPs of one image of the whole model.</summary>
    public long? Flops { get; init; }

    /// <summary>Learned parameters of the whole model.</summary>
    public long? Parameters { get; init; }

    /// <summary>The scores file as it was named.</summary>
    public string? Scores { get; init; }

    /// <summary>What the scores were made from.</summary>
    public IReadOnlyDictionary<string, string>? Provenance { get; init; }

    /// <summary>The photos that were scored on as they were named.</summary>
    public string? Photos { get; init; }

    /// <summary>The test images as they were named.</summary>
    public string? Test { get; init; }

    /// <summary>SHA-256 over names and lengths of the test images.</summary>
    public string? TestSha256 { get; init; }

    /// <summary>All options that have a value, given or not, without the dashes.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>The record of a command line that reads a model.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="model">The model.</param>
    /// <param name="scores">Its scores with their path; null for none.</param>
    /// <param name="test">The test images with their path; null for none.</param>
    public static RunRecord Of(
        ParseResult parsed, LoadedModel model, (string Path, ElasticScores Read)? scores = null, (string Path, ImageSet Read)? test = null)
    {
        ViTArchitecture a = model.Model.Architecture;
        return new RunRecord(parsed)
        {
            Model = Path.GetFileName(model.Path),
            ModelSha256 = model.Sha256,
            WeightsSha256 = model.WeightsSha256,
            Units = AxisTable.Rows.ToDictionary(row => JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Key), row => row.Count(a)),
            Flops = CostModel.Flops(a, a.FullWidths),
            Parameters = CostModel.Parameters(a, a.FullWidths),
            Scores = scores?.Path,
            Provenance = scores?.Read.Provenance,
            Test = test?.Path,
            TestSha256 = test?.Read.Hash(),
        };
    }

    private static string? ValueOf(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is { Implicit: false } given
            ? given.Tokens.Count > 0 ? string.Join(' ', given.Tokens.Select(token => token.Value)) : "true"
            : option.HasDefaultValue && option.GetDefaultValue() is { } value
                ? value is IFormattable number and not Enum
                    ? number.ToString(null, System.Globalization.CultureInfo.InvariantCulture)
                    : value is Enum or bool ? value.ToString()!.ToLowerInvariant() : value.ToString()
                : null;
}
