using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using System.Text;

namespace SnapViT.Cli.Commands;

/// <summary>The help of one verb: its options in groups, the common ones first, wrapped at a width.</summary>
internal sealed class VerbHelp(TextWriter output, int width)
{
    private const string Expert = "Expert options";
    private const int LabelWidth = 26, Indent = 2, LongestWords = 50;

    /// <summary>Groups in the order in which they are shown; what is in none of them is for experts.</summary>
    private static readonly (string Title, string[] Options)[] Groups =
    [
        ("Common options",
        [
            "--images", "--scores", "--test", "--train", "--out", "--baselines", "--figures", "--files",
            "--onnx", "--onnx-family", "--pt", "--hub", "--to",
            "--force", "--budgets", "--flops", "--params",
            "--size", "--latency", "--ratios", "--samples", "--labels", "--preset",
        ]),
        ("How budgets are divided and layers re-fitted",
            [
                "--allocation", "--tokens", "--head-dims", "--align", "--latency-batch", "--latency-table",
                "--correction", "--damping", "--moments",
            ]),
        ("What may have to be said of the model", ["--preprocess", "--image-size", "--num-heads", "--activation", "--weights"]),
        (Expert, []),
        ("Options of every verb", ["--json", "--seed", "--threads", "--precision", "--device", "--verbose", "--help"]),
    ];

    /// <summary>What texts stand for that are neither numbers nor paths nor words of a list.</summary>
    private static readonly Dictionary<string, string> Texts = new()
    {
        ["--budgets"] = "BUDGETS",
        ["--flops"] = "BUDGET",
        ["--params"] = "BUDGET",
        ["--size"] = "BUDGET",
        ["--latency"] = "BUDGET",
        ["--ratios"] = "MLP:HEADS",
        ["--damping"] = "KIND:N",
        ["--neuron-damping"] = "KIND:N",
        ["--head-damping"] = "KIND:N",
    };

    /// <summary>Writes the help of a verb.</summary>
    public void Write(Verb verb)
    {
        string arguments = string.Concat(verb.Arguments.Select(argument => $" {argument.Name}"));
        Paragraph(verb.Description ?? "", 0);
        output.WriteLine();
        output.WriteLine($"Usage: snapvit {verb.Name}{arguments} [options]");
        Section("Arguments", verb.Arguments.Select(argument => (argument.Name, argument.Description ?? "")));
        Option[] all = [.. verb.Options
            .Concat(verb.Parents.OfType<Command>().SelectMany(parent => parent.Options.Where(option => option.Recursive)))
            .Where(option => !option.Hidden)];
        string[] known = [.. Groups.SelectMany(group => group.Options)];
        foreach ((string title, string[] names) in Groups)
        {
            IEnumerable<Option> options = title == Expert
                ? all.Where(option => !known.Contains(option.Name))
                : names.SelectMany(name => all.Where(option => option.Name == name));
            Section(title, options.Select(option => (Label(option), Description(option))));
        }

        output.WriteLine();
        foreach (string part in Unwrapped(verb.Examples))
        {
            if (part.StartsWith(' '))
            {
                output.WriteLine(part);
            }
            else
            {
                Paragraph(part, 0);
            }
        }
    }

    /// <summary>An option with the metavariable of its value, such as <c>--batch &lt;N&gt;</c>.</summary>
    private static string Label(Option option) => Value(option) is string value ? $"{option.Name} <{value}>" : option.Name;

    private static string? Value(Option option)
    {
        Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
        if (type == typeof(bool))
        {
            return option.ValueType == typeof(bool) ? null : "true|false";
        }

        if (type == typeof(int) || type == typeof(ulong) || type == typeof(double))
        {
            return "N";
        }

        if (PathArguments.Uses.TryGetValue(option.Name, out PathArguments.Use use))
        {
            return use is PathArguments.Use.ReadPhotos or PathArguments.Use.WriteFolder ? "DIR" : "FILE";
        }

        string words = string.Join('|', Words(option));
        return words.Length > LongestWords ? "NAME"
            : words.Length > 0 ? words
            : option.Name == "--help" ? null
            : Texts.GetValueOrDefault(option.Name, "NAME");
    }

    private static string Description(Option option)
    {
        string[] words = Words(option);
        string list = string.Join('|', words).Length > LongestWords ? $" One of {string.Join(", ", words)}." : "";
        string required = option.Required ? " Required." : "";
        return $"{option.Description}{list}{required}{Default(option)}";
    }

    private static string[] Words(Option option) => [.. option.GetCompletions(CompletionContext.Empty).Select(item => item.Label)];

    /// <summary>The default as it would be typed.</summary>
    private static string Default(Option option)
    {
        string? text = option.HasDefaultValue && option.ValueType != typeof(bool)
            ? option.GetDefaultValue() switch
            {
                null => null,
                Enum word => word.ToString().ToLowerInvariant(),
                IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
                object other => other.ToString(),
            }
            : null;
        return string.IsNullOrEmpty(text) ? "" : $" [default: {text}]";
    }

    /// <summary>Text whose prose is one line a paragraph; lines that begin with a space are commands and stay as they are.</summary>
    private static IEnumerable<string> Unwrapped(string text)
    {
        StringBuilder paragraph = new();
        foreach (string line in text.Split('\n').Select(line => line.TrimEnd()))
        {
            if (line.Length > 0 && line[0] != ' ')
            {
                paragraph.Append(paragraph.Length > 0 ? " " : "").Append(line);
                continue;
            }

            if (paragraph.Length > 0)
            {
                yield return paragraph.ToString();
                paragraph.Clear();
            }

            yield return line;
        }

        if (paragraph.Length > 0)
        {
            yield return paragraph.ToString();
        }
    }

    private void Section(string title, IEnumerable<(string Label, string Text)> rows)
    {
        (string Label, string Text)[] all = [.. rows];
        if (all.Length == 0)
        {
            return;
        }

        output.WriteLine();
        output.WriteLine($"{title}:");
        foreach ((string label, string text) in all)
        {
            string start = new string(' ', Indent) + label;
            if (label.Length > LabelWidth)
            {
                output.WriteLine(start);
                start = "";
            }

            Paragraph(text, Indent + LabelWidth + Indent, start);
        }
    }

    /// <summary>Words wrapped at the width, all lines indented; the first begins with a label in the indent.</summary>
    private void Paragraph(string text, int indent, string label = "")
    {
        StringBuilder line = new(label.PadRight(indent));
        bool isEmpty = true;
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!isEmpty && line.Length + 1 + word.Length > width)
            {
                output.WriteLine(line.ToString());
                line.Clear().Append(' ', indent);
                isEmpty = true;
            }

            line.Append(isEmpty ? "" : " ").Append(word);
            isEmpty = false;
        }

        output.WriteLine(line.ToString().TrimEnd());
    }
}
