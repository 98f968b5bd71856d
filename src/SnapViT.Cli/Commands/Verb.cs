using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace SnapViT.Cli.Commands;

/// <summary>A verb of the command: one line for the list of verbs, and a examples with examples for its own help.</summary>
internal sealed class Verb : Command
{
    public Verb(string name, string description, string examples)
        : base(name, description) => Examples = examples;

    /// <summary>What the verb's own help says after the options.</summary>
    public string Examples { get; }

    /// <summary>Makes the help of every verb end with its examples.</summary>
    public static void AddExamples(RootCommand root)
    {
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }

    private sealed class HelpWithExamples(HelpAction plain) : SynchronousCommandLineAction
    {
        /// <summary>Who asks for help is not told what else is missing.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = plain.Invoke(parseResult);
            if (parseResult.CommandResult.Command is Verb verb)
            {
                parseResult.InvocationConfiguration.Output.WriteLine(verb.Examples);
            }

            return code;
        }
    }
}
