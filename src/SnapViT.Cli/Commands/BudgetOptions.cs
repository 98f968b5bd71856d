using System.CommandLine;
using SnapViT.Core.Planning;

namespace SnapViT.Cli.Commands;

/// <summary>One budget, in the unit that the user has.</summary>
internal sealed class BudgetOptions
{
    private readonly Option<string?> _flops = new("--flops") { Description = "FLOPs per image to keep at most: a share such as 0.6 (1.0 is the whole model), or a figure such as 4.3G." };
    private readonly Option<string?> _parameters = new("--params") { Description = "Parameters to keep at most: a share such as 0.5, or a figure such as 22M." };
    private readonly Option<string?> _size = new("--size") { Description = "Bytes of the float32 model file of --out at most, header and all: a share such as 0.5, or 40MB (10^6) or 38MiB (2^20)." };
    private readonly Option<string?> _latency = new("--latency") { Description = "Time of a forward pass on this machine at most: 12ms, 800us, or a share such as 0.5 (see --latency-batch)." };
    private readonly Option<string?> _ratios = new("--ratios") { Description = "Shares of all neurons and of all heads to remove, such as 0.45:0.3." };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _flops, _parameters, _size, _latency, _ratios })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The one budget asked for.</summary>
    /// <exception cref="BudgetException">There is none, or more than one, or it is not well formed.</exception>
    public Budget Read(ParseResult parsed)
    {
        List<Func<Budget>> given = [];
        Add(_flops, Budget.ParseFlops);
        Add(_parameters, Budget.ParseParameters);
        Add(_size, Budget.ParseFileSize);
        Add(_latency, Budget.ParseLatency);
        Add(_ratios, Budget.ParseRatios);
        return given.Count == 1
            ? given[0]()
            : throw new BudgetException($"budget: expected one of --flops, --params, --size, --latency and --ratios, found {given.Count}");

        void Add(Option<string?> option, Func<string, Budget> parse)
        {
            if (parsed.GetValue(option) is string text)
            {
                given.Add(() => parse(text));
            }
        }
    }
}
