using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Diagnostics;
using SnapViT.Cli.Output;

namespace SnapViT.Cli.Commands;

/// <summary>A verb of the command: one line for the list of verbs, and examples for its own help.</summary>
internal sealed class Verb : Command
{
    public Verb(string name, string description, string examples)
        : base(name, description) => Examples = examples;

    /// <summary>What the verb's own help says after the options.</summary>
    public string Examples { get; }

    /// <summary>
    /// What the verb does: its result is written in the form that was asked for. The work has a thread of the pool of its own.
    /// </summary>
    /// <param name="run">From the command line to the result; null for nothing to say.</param>
    public void Does(Func<ParseResult, CancellationToken, Report?> run) =>
        SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                Stopwatch watch = Stopwatch.StartNew();
                if (run(parsed, cancellation) is Report report)
                {
                    foreach (string doubt in report.Doubts ?? [])
                    {
                        parsed.InvocationConfiguration.Error.WriteLine($"in doubt: {doubt}");
                    }

                    report.WriteTo(parsed.InvocationConfiguration.Output, parsed.GetValue(GlobalOptions.Json), watch.Elapsed);
                }

                return 0;
            },
            CancellationToken.None));

    /// <summary>What the command's own help says after the verbs: the job from its beginning to its end.</summary>
    private const string FirstSteps = """
        First steps, without a model and with one:

            snapvit demo --out demo.html
            snapvit inspect MODEL
            snapvit build MODEL --images PHOTOS --out scores.safetensors
            snapvit cut MODEL scores.safetensors --flops 0.6 --out small.safetensors

        MODEL is a file, a folder, or a name on the Hugging Face hub such as timm/deit_tiny_patch16_224.fb_in1k; PHOTOS a folder of images
        without labels. 'snapvit build --help' and the like say more about a verb.
        """;

    /// <summary>Makes the help of every verb end with its examples.</summary>
    public static void AddExamples(RootCommand root)
    {
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }

    private const int PipedWidth = 100, LeastWidth = 60, LargestWidth = 140;

    private sealed class HelpWithExamples(HelpAction plain) : SynchronousCommandLineAction
    {
        /// <summary>Who asks for help is not told what else is missing.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            if (parseResult.CommandResult.Command is Verb verb)
            {
                new VerbHelp(output, WidthOf(output)).Write(verb);
                return 0;
            }

            int code = plain.Invoke(parseResult);
            output.WriteLine(FirstSteps);
            return code;
        }

        /// <summary>The terminal's width; a page that is piped has a fixed one.</summary>
        private static int WidthOf(TextWriter output)
        {
            bool isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
            return isTerminal && Console.WindowWidth is >= LeastWidth and int width ? Math.Min(width, LargestWidth) : PipedWidth;
        }
    }
}
