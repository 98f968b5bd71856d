using System.CommandLine;
using SnapViT.Core.Planning;

namespace SnapViT.Cli.Commands;

/// <summary>One budget, in the unit that the user has.</summary>
internal sealed class BudgetOptions
{
    private readonly Option<string?> _flops = new("--flops")
    {
        Description = "FLOPs per image to keep at most: a share such as 0.6 (1.0 is the whole model), or a figure such as 4.3G.",
    };
    private readonly Option<string?> _parameters = new("--params")
    {
        Description = "Parameters to keep at most: a share such as 0.5, or a figure such as 22M.",
    };
    private readonly Option<string?> _size = new("--size")
    {
        Description = "Bytes of the float32 model file at most, header and all: that of --out in its format, else safetensors. A share "
            + "such as 0.5, or 40MB (10^6) or 38MiB (2^20).",
    };
    private readonly Option<string?> _latency = new("--latency")
    {
        Description = "Time of a forward pass on this machine at most: 12ms, 800us, or a share such as 0.5 (see --latency-batch).",
    };
    private readonly Option<string?> _ratios = new("--ratios")
    {
        Description = "Shares of all neurons and of all heads to remove, such as 0.45:0.3.",
    };

    /// <summary>The options themselves.</summary>
    public IReadOnlyList<Option> Options => [_flops, _parameters, _size, _latency, _ratios];

    public void AddTo(Command command)
    {
        foreach (Option option in Options)
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The one budget asked for, and how <c>--budgets</c> would take it, such as <c>flops=0.6</c>.</summary>
    /// <exception cref="BudgetException">There is none, or more than one, or it is not well formed.</exception>
    public (string Text, Budget Budget) Read(ParseResult parsed) => Given(parsed) is { Count: 1 } given
        ? given[0]()
        : throw new BudgetException(
            $"budget: expected one of --flops, --params, --size, --latency and --ratios, found {Given(parsed).Count}");

    /// <summary>The budgets asked for: one by its own option, or those of a list.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="list">The text of <c>--budgets</c>; null where it was not given.</param>
    /// <exception cref="BudgetException">There is none, or one beside the list, or one is not well formed.</exception>
    public IReadOnlyList<(string Text, Budget Budget)> Read(ParseResult parsed, string? list) => list is null ? [Read(parsed)]
        : Given(parsed).Count == 0 ? BudgetList.Read(list)
        : throw new BudgetException("budget: expected either --budgets or an option for one budget, found both");

    private List<Func<(string Text, Budget Budget)>> Given(ParseResult parsed)
    {
        List<Func<(string, Budget)>> given = [];
        Add(_flops, Budget.ParseFlops);
        Add(_parameters, Budget.ParseParameters);
        Add(_size, Budget.ParseFileSize);
        Add(_latency, Budget.ParseLatency);
        Add(_ratios, Budget.ParseRatios);
        return given;

        void Add(Option<string?> option, Func<string, Budget> parse)
        {
            if (parsed.GetValue(option) is string text)
            {
                given.Add(() => ($"{option.Name.TrimStart('-')}={text}", parse(text)));
            }
        }
    }
}
