using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using SnapViT.Core.Checkpoints;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>A result in its two forms: one JSON object for machines, text and tables for people.</summary>
/// <param name="Json">What is serialised, with names in snake_case.</param>
/// <param name="Render">Draws it.</param>
/// <param name="Next">The command to try next; null for none. Part of the JSON object.</param>
internal sealed record Report(object Json, Action<IAnsiConsole> Render, string? Next = null)
{
    /// <summary>Version of all JSON objects (docs/json.md); it rises when a name or a meaning changes, not when a name is added.</summary>
    public const int Schema = 1;

    /// <summary>Where lines are not for a terminal, sentences and tables are not broken.</summary>
    private const int PlainWidth = 10_000;
    private const string DoubtsKey = "doubts", NextKey = "next";

    /// <summary>
    /// What had to be assumed about the model, a sentence each; null where the verb assumes nothing. Part of the JSON object.
    /// </summary>
    public IReadOnlyList<string>? Doubts { get; init; }

    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
        WriteIndented = true,
    };

    /// <summary>Writes one of the forms.</summary>
    /// <param name="output">Where results go.</param>
    /// <param name="json">Whether the JSON object was asked for.</param>
    /// <param name="elapsed">How long the work took, said to people.</param>
    public void WriteTo(TextWriter output, bool json, TimeSpan elapsed)
    {
        if (json)
        {
            WriteJson(output, Json, Doubts, Next);
            return;
        }

        bool terminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
        });
        if (!terminal)
        {
            console.Profile.Width = PlainWidth;
        }

        Render(console);
        string time = Figures.Invariant($"{elapsed.TotalSeconds:0.0} s");
        output.WriteLine(Next is null ? $"done in {time}" : $"done in {time}; next: {Next}");
    }

    /// <summary>Writes the JSON object to a file, atomically.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void SaveJson(string path)
    {
        using StringWriter text = new() { NewLine = "\n" };
        WriteJson(text, Json, Doubts, Next);
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Writes one JSON object that begins with its schema's version.</summary>
    /// <param name="output">Where it goes.</param>
    /// <param name="json">What is serialised.</param>
    /// <param name="doubts">What had to be assumed; null to leave it out.</param>
    /// <param name="next">The command to try next; null to leave it out.</param>
    public static void WriteJson(TextWriter output, object json, IReadOnlyList<string>? doubts = null, string? next = null)
    {
        JsonObject named = JsonSerializer.SerializeToNode(json, JsonOptions)!.AsObject();
        named.Insert(0, "schema", Schema);
        if (doubts is not null)
        {
            named[DoubtsKey] = JsonSerializer.SerializeToNode(doubts, JsonOptions);
        }

        if (next is not null)
        {
            named[NextKey] = next;
        }

        output.WriteLine(named.ToJsonString(JsonOptions));
    }

    /// <summary>The JSON object that would be written.</summary>
    public JsonElement ToElement()
    {
        using StringWriter text = new();
        WriteJson(text, Json, Doubts, Next);
        using JsonDocument document = JsonDocument.Parse(text.ToString());
        return document.RootElement.Clone();
    }

    /// <summary>An empty table whose columns are right-aligned, but the first.</summary>
    public static Table Table(params string[] columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        for (int i = 0; i < columns.Length; i++)
        {
            TableColumn column = new(columns[i].EscapeMarkup());
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }

        return table;
    }
}
