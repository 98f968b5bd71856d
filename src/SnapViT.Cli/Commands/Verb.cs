using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace SnapViT.Cli.Commands;

/// <summary>A verb of the command: one line for the list of verbs, and a lesson with examples for its own help.</summary>
internal sealed class Verb : Command
{
    public Verb(string name, string description, string lesson)
        : base(name, description) => Lesson = lesson;

    /// <summary>What the verb's own help says after the options.</summary>
    public string Lesson { get; }

    /// <summary>Makes the help of every verb end with its lesson.</summary>
    public static void TeachIn(RootCommand root)
    {
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithLesson((HelpAction)help.Action!);
    }

    private sealed class HelpWithLesson(HelpAction plain) : SynchronousCommandLineAction
    {
        /// <summary>Who asks for help is not told what else is missing.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = plain.Invoke(parseResult);
            if (parseResult.CommandResult.Command is Verb verb)
            {
                parseResult.InvocationConfiguration.Output.WriteLine(verb.Lesson);
            }

            return code;
        }
    }
}
