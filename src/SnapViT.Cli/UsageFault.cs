using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using SnapViT.Cli.Commands;

namespace SnapViT.Cli;

/// <summary>What is wrong with a command line, in one line, with what may have been meant.</summary>
internal static class UsageFault
{
    private const string OptionStart = "--";

    /// <summary>What other programs call the verbs.</summary>
    private static readonly Dictionary<string, string> Synonyms = new(StringComparer.OrdinalIgnoreCase)
    {
        ["prune"] = "cut", ["compress"] = "cut", ["shrink"] = "cut", ["score"] = "build", ["calibrate"] = "build", ["search"] = "build",
        ["info"] = "inspect", ["show"] = "inspect", ["test"] = "eval", ["benchmark"] = "eval", ["onnx"] = "export",
    };

    /// <summary>The first fault that was found, and where help is.</summary>
    /// <param name="parsed">A command line with at least one error.</param>
    public static string Of(ParseResult parsed)
    {
        CommandResult at = parsed.CommandResult;
        bool isVerb = at.Parent is CommandResult;
        string? unknown = parsed.UnmatchedTokens.Take(isVerb ? int.MaxValue : 1)
            .FirstOrDefault(token => token.StartsWith(OptionStart, StringComparison.Ordinal));

        // A mistyped option says more than what is missing without it.
        string fault = unknown is not null ? UnknownOption(at, unknown)
            : isVerb ? Named(parsed.Errors[0])
            : Verb(at.Command, parsed.UnmatchedTokens);

        // Lists of allowed values come on lines of their own.
        string line = string.Join(' ', fault.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return $"snapvit: {line} (see 'snapvit {(isVerb ? at.Command.Name + " " : "")}--help')";
    }

    private static string UnknownOption(CommandResult at, string unknown)
    {
        string name = unknown.Split('=', ':')[0];
        IEnumerable<Command> commands = at.Parent is CommandResult root ? [at.Command, root.Command] : [at.Command];
        IEnumerable<string> known = commands.SelectMany(command => command.Options)
            .Where(option => !option.Hidden)
            .Select(option => option.Name);
        string? meant = Nearest.Of(name, known.Where(option => option.StartsWith(OptionStart, StringComparison.Ordinal)));
        return $"there is no option '{name}'{Meant(meant)}";
    }

    /// <summary>The message with the option it is about, where it does not say that itself.</summary>
    private static string Named(ParseError error)
    {
        OptionResult? result = error.SymbolResult as OptionResult ?? error.SymbolResult?.Parent as OptionResult;
        if (result is not { Option: { } option })
        {
            return error.Message;
        }

        string named = error.Message.Contains(option.Name, StringComparison.Ordinal) ? error.Message : $"{option.Name}: {error.Message}";
        string? value = result.Tokens.Count == 1 ? result.Tokens[0].Value : null;
        string[] values = [.. option.GetCompletions(CompletionContext.Empty).Select(item => item.Label)];
        return value is null || values.Contains(value) ? named : named + Meant(Nearest.Of(value, values));
    }

    private static string Verb(Command root, IReadOnlyList<string> unknown)
    {
        string[] verbs = [.. root.Subcommands.Where(command => !command.Hidden).Select(command => command.Name)];
        string? found = unknown.Count > 0 ? unknown[0] : null;
        string? meant = found is null ? null
            : Path.Exists(found) ? $"inspect {found}"
            : Synonyms.GetValueOrDefault(found) ?? Nearest.Of(found, verbs);
        string quoted = found is null ? "no verb" : $"'{found}'";
        return $"expected one of {string.Join(", ", verbs)}, found {quoted}{Meant(meant is null ? null : $"snapvit {meant}")}";
    }

    private static string Meant(string? text) => text is null ? "" : $"; did you mean {text}?";
}
