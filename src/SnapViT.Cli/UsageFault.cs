using System.CommandLine;
using System.CommandLine.Parsing;

namespace SnapViT.Cli;

/// <summary>What is wrong with a command line, in one line.</summary>
internal static class UsageFault
{
    /// <summary>The first fault that was found, and where help is.</summary>
    /// <param name="parsed">A command line with at least one error.</param>
    public static string Of(ParseResult parsed)
    {
        CommandResult at = parsed.CommandResult;
        bool isVerb = at.Parent is CommandResult;
        string fault = isVerb ? Named(parsed.Errors[0]) : Verb(at.Command, parsed.UnmatchedTokens);

        // Lists of allowed values come on lines of their own.
        string line = string.Join(' ', fault.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return $"snapvit: {line} (see 'snapvit {(isVerb ? at.Command.Name + " " : "")}--help')";
    }

    /// <summary>The message with the option it is about, where it does not say that itself.</summary>
    private static string Named(ParseError error) =>
        error.SymbolResult is OptionResult { Option.Name: string name } && !error.Message.Contains(name, StringComparison.Ordinal) ? $"{name}: {error.Message}" : error.Message;

    private static string Verb(Command root, IReadOnlyList<string> unknown) =>
        $"expected one of {string.Join(", ", root.Subcommands.Where(command => !command.Hidden).Select(command => command.Name))}, found {(unknown.Count > 0 ? $"'{unknown[0]}'" : "no verb")}";
}
