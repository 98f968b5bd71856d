using System.CommandLine;
using System.Globalization;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Core.Scores;
using SnapViT.Loading;
using SnapViT.Search;
using SnapViT.Workflows;

namespace SnapViT.Cli.Commands;

/// <summary>What the search of <c>build</c> minimises, how it draws candidates and when it ends.</summary>
internal sealed class SearchOptionSet
{
    private const string Cosine = "cosine", SquaredError = "mse", Both = "both";

    private readonly Option<string> _loss = new("--loss")
    {
        Description = "What candidates are compared by: cosine of the features, their mean squared error (mse), or the sum of both.",
        DefaultValueFactory = _ => Cosine,
    };

    private readonly Option<int> _components = new("--pca-components")
    {
        Description = "Principal components of the features that candidates are compared in; all features where they are no wider.",
        DefaultValueFactory = _ => new FitnessOptions().PcaComponents,
    };

    private readonly Option<string?> _ratios = new("--search-ratios")
    {
        Description = "Removed shares of neurons and heads that every candidate is cut at. Default: 0.15:0,0.35:0.2,0.55:0.4,0.65:0.5.",
    };

    private readonly Option<int?> _population = new("--population")
    {
        Description = "Candidates of a generation, at least 2. Default: 4 + 3 ln of the number of factors.",
    };

    private readonly Option<string?> _start = new("--search-start")
    {
        Description = "Factors of the first and the last block at the start, such as 1.2:0.8, which is the paper's.",
    };

    private readonly Option<double> _spread = new("--spread")
    {
        Description = "Standard deviation of the first generation.",
        DefaultValueFactory = _ => 1,
    };

    private readonly Option<int?> _patience = new("--patience")
    {
        Description = "Ends the search after so many candidates in a row that were no better. Default: all of --evaluations.",
    };

    private readonly Option<double> _heldOut = new("--held-out")
    {
        Description = "Share of the photos, 0 to 0.9, that are not searched on; the winner among the start and the five best is picked "
            + "on them.",
    };

    private readonly Option<bool> _racing = new("--racing")
    {
        Description = "Stop candidates that are surely in the worse half of their generation on a quarter of the photos.",
    };

    private readonly Option<string?> _covariance = new("--initial-covariance")
    {
        Description = "A file of 'snapvit cka': factors of parts that see photos alike are drawn alike in the first generation.",
    };

    public SearchOptionSet() => _loss.AcceptOnlyFromAmong(Cosine, SquaredError, Both);

    private IEnumerable<Option> Options =>
        [_loss, _components, _ratios, _population, _start, _spread, _patience, _racing, _heldOut, _covariance];

    public void AddTo(Command command)
    {
        foreach (Option option in Options)
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Options of a search say nothing without one.</summary>
    /// <exception cref="SnapViTException">One is given, and nothing is searched.</exception>
    public void Require(ParseResult parsed, int evaluations)
    {
        if (evaluations == 0 && Options.FirstOrDefault(option => GlobalOptions.IsGiven(parsed, option)) is Option given)
        {
            throw new SnapViTException(ErrorKind.Option, $"{given.Name}: expected a search with it, --evaluations N; found none");
        }
    }

    public FitnessOptions Fitness(ParseResult parsed, KeepFloors floors)
    {
        FitnessOptions options = new()
        {
            Floors = floors,
            PcaComponents = parsed.GetValue(_components),
            Losses = parsed.GetRequiredValue(_loss) switch
            {
                SquaredError => [FitnessLoss.MeanSquaredError],
                Both => [FitnessLoss.MeanSquaredError, FitnessLoss.Cosine],
                _ => [FitnessLoss.Cosine],
            },
        };
        return parsed.GetValue(_ratios) is string ratios ? options with { Ratios = [.. ratios.Split(',').Select(Ratios)] } : options;

        PruningRatios Ratios(string text)
        {
            (double neurons, double heads) = Pair(text, _ratios.Name, "two removed shares such as 0.35:0.2");
            return neurons is >= 0 and < 1 && heads is >= 0 and < 1
                ? new PruningRatios(neurons, heads)
                : throw new SnapViTException(ErrorKind.Option, $"{_ratios.Name}: expected shares of 0 or more and below 1, found {text}");
        }
    }

    public SearchOptions Read(ParseResult parsed) => new()
    {
        Population = parsed.GetValue(_population),
        Start = parsed.GetValue(_start) is string start ? Pair(start, _start.Name, "two factors such as 1.2:0.8") : null,
        Spread = parsed.GetValue(_spread),
        Patience = parsed.GetValue(_patience),
        Racing = parsed.GetValue(_racing),
        HeldOutShare = parsed.GetValue(_heldOut),
    };

    /// <summary>The same with the covariance, which is one of a model.</summary>
    public SearchOptions WithCovariance(ParseResult parsed, SearchOptions options, LoadedModel model) =>
        parsed.GetValue(_covariance) is string path ? options with { Covariance = ModelAlignment.Covariance(path, model) } : options;

    private static (double First, double Second) Pair(string text, string option, string expected)
    {
        string[] parts = text.Split(':');
        return parts.Length == 2
            && double.TryParse(parts[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double first)
            && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double second)
            ? (first, second)
            : throw new SnapViTException(ErrorKind.Option, $"{option}: expected {expected}, found '{text}'");
    }
}
