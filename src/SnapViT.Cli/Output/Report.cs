using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace SnapViT.Cli.Output;

/// <summary>A result in its two forms: one JSON object for machines, text and tables for people.</summary>
/// <param name="Json">What is serialised, with names in snake_case.</param>
/// <param name="Render">Draws it.</param>
internal sealed record Report(object Json, Action<IAnsiConsole> Render)
{
    private const int PlainWidth = 140;
    private const string DoubtsKey = "doubts";

    /// <summary>What had to be assumed about the model, a sentence each; null where the verb assumes nothing. Part of the JSON object.</summary>
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
    public void WriteTo(TextWriter output, bool json)
    {
        if (json)
        {
            JsonNode result = JsonSerializer.SerializeToNode(Json, JsonOptions)!;
            if (Doubts is not null)
            {
                result[DoubtsKey] = JsonSerializer.SerializeToNode(Doubts, JsonOptions);
            }

            output.WriteLine(result.ToJsonString(JsonOptions));
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
