using System.CommandLine;
using SnapViT.Core.Architecture;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary>What is planned for.</summary>
internal sealed record PlanSubject(LoadedModel Model, ElasticViT Elastic, bool Sequential, Device Device, ScalarType Precision)
{
    /// <summary>What a size is of: the bytes of which file a plan makes; null for those of a safetensors file.</summary>
    public Func<ElasticViT, SubnetPlan, long>? Bytes { get; init; }

    /// <summary>Bytes of the file that would be written of a plan.</summary>
    public long FileBytes(SubnetPlan plan) => Bytes?.Invoke(Elastic, plan) ?? Elastic.FileBytes(plan, Sequential);
}

/// <summary>How budgets are divided and rounded, and what latencies are measured under.</summary>
internal sealed class PlanningOptions
{
    private const string Off = "off";

    private readonly Option<string> _allocation = new("--allocation")
    {
        Description = "How a budget in one figure is divided. frontier: over tokens, head dimensions, heads and neurons, as build found it "
            + "on photos; pools: heads follow 15 points behind neurons, as in the paper; joint: heads and neurons by score per unit of the "
            + "budget; auto: frontier where the scores hold one, else pools. Ratios say it themselves.",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<string> _tokens = Switch("--tokens", "Whether a frontier merges tokens.");
    private readonly Option<string> _headDims = Switch("--head-dims", "Whether a frontier takes dimensions out of heads.");

    private readonly Option<int> _align = new("--align")
    {
        Description = "Round the kept neurons of every block to multiples of 8, 16, 32 or 64, and the joint width of heads where one is "
            + "narrower.",
        DefaultValueFactory = _ => 1,
    };
    private readonly LatencyOptions _latency = new();

    public PlanningOptions() => _allocation.AcceptOnlyFromAmong("auto", "frontier", "pools", "joint");

    /// <summary>The options themselves.</summary>
    public IReadOnlyList<Option> Options => [_allocation, _tokens, _headDims, _align, .. _latency.Options];

    public void AddTo(Command command)
    {
        foreach (Option option in Options)
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Fails in one line, before any work, where an option is out of range.</summary>
    public void Require(ParseResult parsed)
    {
        if (parsed.GetValue(_align) is not (1 or 8 or 16 or 32 or 64) and int align)
        {
            throw new SnapViTException(ErrorKind.Option, $"--align: expected 8, 16, 32 or 64, or 1 for none, found {align}");
        }

        _latency.Require(parsed);
    }

    /// <summary>
    /// What plans for these budgets depend on. Latencies are measured where a budget needs them and no table of these conditions is kept.
    /// </summary>
    public PlanOptions Read(
        ParseResult parsed, PlanSubject subject, IReadOnlyList<Budget> budgets, CancellationToken cancellation)
    {
        PlanOptions how = new PlanOptions
        {
            Allocation = parsed.GetRequiredValue(_allocation) switch
            {
                "frontier" => Allocation.Frontier,
                "pools" => Allocation.Pools,
                "joint" => PlanOptions.JointFor(subject.Elastic.Scores),
                _ => Allocation.Automatic,
            },
            WholeAxes =
            [
                .. parsed.GetValue(_tokens) == Off ? [Axis.Tokens] : Array.Empty<Axis>(),
                .. parsed.GetValue(_headDims) == Off ? [Axis.QueryKeyDims, Axis.ValueDims] : Array.Empty<Axis>(),
            ],
            Align = parsed.GetValue(_align),
            FileBytes = widths => subject.FileBytes(SubnetPlan.Of(subject.Model.Model.Architecture, widths)),
        }.Validated();
        bool isTimed = false;
        foreach (Budget budget in budgets)
        {
            if (budget.Unit == CostUnit.Nanoseconds)
            {
                isTimed = true;
            }
            else
            {
                // Whether it is possible is known at once; to measure latencies takes a minute.
                subject.Elastic.Plan(budget, how);
            }
        }

        return how with { Latency = _latency.Table(parsed, subject.Model, subject.Device, subject.Precision, isTimed, cancellation) };
    }

    private static Option<string> Switch(string name, string description)
    {
        Option<string> option = new(name) { Description = description, DefaultValueFactory = _ => "on" };
        option.AcceptOnlyFromAmong("on", Off);
        return option;
    }

    /// <summary>What latencies are measured with.</summary>
    public LatencyTables Tables(ParseResult parsed, PlanSubject subject) =>
        _latency.Tables(parsed, subject.Model, subject.Device, subject.Precision);
}
