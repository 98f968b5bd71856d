using System.CommandLine;
using SnapViT.Cli.Output;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Loading;
using SnapViT.Workflows;
using static TorchSharp.torch;

namespace SnapViT.Cli.Commands;

/// <summary>What latencies are measured under, and where they are kept.</summary>
internal sealed class LatencyOptions
{
    private readonly Option<int> _batch = new("--latency-batch")
    {
        Description = "Images per forward pass of --latency.",
        DefaultValueFactory = _ => 1,
    };
    private readonly Option<string?> _table = new("--latency-table")
    {
        Description = "The file in which measured latencies are kept (JSON). Default: one per conditions in the cache folder of the user.",
    };

    /// <summary>The options themselves.</summary>
    public IReadOnlyList<Option> Options => [_batch, _table];

    /// <summary>Whether a file was named.</summary>
    public bool IsNamed(ParseResult parsed) => parsed.GetValue(_table) is not null;

    /// <summary>Fails in one line, before any work, where an option is out of range.</summary>
    public void Require(ParseResult parsed)
    {
        if (parsed.GetValue(_batch) is < 1 and int batch)
        {
            throw new SnapViTException(ErrorKind.Option, $"--latency-batch: expected at least 1, found {batch}");
        }

        if (parsed.GetValue(_table) is string table && !File.Exists(table))
        {
            OutputPath.RequireWritable(table);
        }
    }

    /// <summary>What latencies are measured with.</summary>
    public LatencyTables Tables(ParseResult parsed, LoadedModel model, Device device, ScalarType precision) =>
        new(Conditions(parsed, model, device, precision), device, precision, TimeProvider.System);

    /// <summary>
    /// The table that a budget in time needs: kept from before, or measured now. For other budgets only one that is named is read, to
    /// predict by.
    /// </summary>
    public LatencyTable? Table(
        ParseResult parsed, LoadedModel model, Device device, ScalarType precision, bool needed, CancellationToken cancellation)
    {
        string? asked = parsed.GetValue(_table);
        if (asked is null && !needed)
        {
            return null;
        }

        LatencyTables tables = Tables(parsed, model, device, precision);
        string path = asked ?? LatencyCache.Path(Conditions(parsed, model, device, precision));
        LatencyTable? found = asked is null ? Cached(parsed, tables, path) : tables.Find(path);
        if (found is not null || !needed)
        {
            return found;
        }

        if (asked is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }

        OutputPath.RequireWritable(path);
        parsed.InvocationConfiguration.Error.WriteLine(
            $"no latencies of this model under these conditions yet: measured now and kept in {path}");
        return ProgressDisplay.Run(parsed, progress => tables.Measure(path, model, progress, cancellation));
    }

    private LatencyConditions Conditions(ParseResult parsed, LoadedModel model, Device device, ScalarType precision) => new()
    {
        Architecture = model.Model.Architecture,
        Precision = precision == ScalarType.BFloat16 ? "bf16" : "fp32",
        Device = device.type.ToString().ToLowerInvariant(),
        Threads = GlobalOptions.ThreadsOf(parsed),
        Batch = parsed.GetValue(_batch),
        Machine = MachineFacts.Describe(),
        Runtime = $"libtorch {TorchSharp.torch.__version__}",
    };

    /// <summary>A cache may lose what is in it: a damaged table is none.</summary>
    private static LatencyTable? Cached(ParseResult parsed, LatencyTables tables, string path)
    {
        try
        {
            return tables.Find(path);
        }
        catch (CheckpointFormatException exception)
        {
            parsed.InvocationConfiguration.Error.WriteLine($"{exception.Message}; it is replaced");
            return null;
        }
    }
}
